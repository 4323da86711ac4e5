-- Gives requests back, except the part that was refilled. A bucket is a queue that drains at a steady rate: only what is still in it can be given
-- back. What others gave back in front of it has made it drain earlier.
-- ARGV: 1 id, 2 cost, 3 number of the event; then for each window when its requests will have drained, in microseconds, or the period.
local MOST = 64
local bucket, now = load(KEYS[1])
local cost, event = tonumber(ARGV[2]), tonumber(ARGV[3])
if not bucket or bucket[1] ~= ARGV[1] or event <= bucket[5] or event > bucket[4] then return 0 end
local at, paces, slots = bucket[7], bucket[8], bucket[9]
local before, front, drained, any = bucket[10] or {}, {}, now, false
for _, one in ipairs(before) do
  if one[1] <= event and event < one[2] then
    for k = 1, #at do front[k] = (front[k] or 0) + one[3 + k] end
  end
end
local new = {event, bucket[4] + 1, 0}
for k = 1, #at do
  local p, mark, left = 2 * at[k] + 1, tonumber(ARGV[3 + k]), 0
  if paces[p + 1] > 0 then
    drained = math.max(drained, now + math.ceil(slots[p] / paces[p + 1]))
    left = math.min((mark - now) * paces[p + 1] - (front[k] or 0), cost * paces[p], slots[p])
    left = math.max(left, 0)
    slots[p] = slots[p] - left
    any = any or left > 0
  elseif slots[p + 1] == mark then
    slots[p] = math.max(slots[p] - cost, 0)
  end
  new[3 + k] = left
end
bucket[4] = new[2]
if any then
  new[3] = drained
  before[#before + 1] = new
end
if #before > MOST then
  -- Both count as in front of every request that either of them was in front of.
  local oldest = table.remove(before, 1)
  local next = before[1]
  next[1], next[3] = math.min(next[1], oldest[1]), math.max(next[3], oldest[3])
  for k = 4, #next do next[k] = next[k] + oldest[k] end
end
bucket[10] = #before > 0 and before or nil
store(KEYS[1], bucket)
return 1
