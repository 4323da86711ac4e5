-- Takes requests out of all windows, or out of none.
-- ARGV: 1 id, 2 form, 3 wanted, 4 least, 5 number of windows; then each window: drain, interval, size; or 0, size, number, start and end of the
-- period. Then, if the bucket has other limits: their id, the number of the last event, the time, the new
-- form, the number of places, the place of each window, and of each place: interval, drain, value, period.
local HOUR = 3600000000
local bucket, now, changed = load(KEYS[1])
if bucket == false then return {4} end
local want, least, count = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local windows, a = {}, 6
local function number()
  a = a + 1
  return tonumber(ARGV[a - 1])
end
for k = 1, count do
  local drain = number()
  if drain > 0 then
    windows[k] = {drain, number(), number()}
  else
    local size, period, from, till = number(), number(), number(), number()
    -- The caller computes the periods of this time, and asks again.
    if now < from or now >= till then return {3, now} end
    windows[k] = {0, size, period, till}
  end
end
if bucket and bucket[1] ~= ARGV[1] then
  if not ARGV[a] or bucket[1] ~= ARGV[a] or bucket[4] ~= tonumber(ARGV[a + 1]) then
    return {2, now, bucket[1], bucket[2], bucket[4], bucket[7], bucket[8], bucket[9]}
  end
  a = a + 2
  local passed, form, places = math.max(now - number(), 0), ARGV[a], tonumber(ARGV[a + 1])
  a = a + 2
  local at, paces, slots = {}, {}, {}
  for k = 1, count do at[k] = number() end
  for p = 1, 2 * places, 2 do
    paces[p], paces[p + 1], slots[p], slots[p + 1] = number(), number(), number(), number()
    if paces[p + 1] > 0 then slots[p] = math.max(slots[p] - passed * paces[p + 1], 0) end
  end
  local next = bucket[4] + 1
  bucket = {ARGV[1], form, now, next, next, bucket[6], at, paces, slots}
  changed = true
end
if not bucket then
  local at, paces, slots = {}, {}, {}
  for k = 1, count do
    local window = windows[k]
    at[k], slots[2 * k - 1], slots[2 * k] = k - 1, 0, 0
    paces[2 * k - 1], paces[2 * k] = window[1] > 0 and window[2] or 1, window[1]
  end
  bucket = {ARGV[1], ARGV[2], now, now, now, 0, at, paces, slots}
end
local at, slots, room = bucket[7], bucket[9], want
for k = 1, count do
  local window, p = windows[k], 2 * at[k] + 1
  local fits
  if window[1] > 0 then
    local free = math.max(window[2] * window[3] - slots[p], 0)
    fits = (free - math.fmod(free, window[2])) / window[2]
  else
    -- A period with a smaller number is not gone back to.
    if slots[p + 1] < window[3] then slots[p], slots[p + 1] = 0, window[3] end
    fits = window[2] - slots[p]
  end
  room = math.min(room, fits)
end
local granted = want
if room < want then granted = room >= least and math.max(room, 0) or 0 end
if granted > 0 or changed then
  for k = 1, count do
    local window, p = windows[k], 2 * at[k] + 1
    if window[1] > 0 then
      slots[p] = slots[p] + granted * window[2]
      bucket[6] = math.max(bucket[6], now + math.ceil(slots[p] / window[1]))
    else
      slots[p] = slots[p] + granted
      bucket[6] = math.max(bucket[6], window[4] + HOUR)
    end
  end
  bucket[4] = bucket[4] + 1
  store(KEYS[1], bucket)
end
local answer = {1, now, granted, bucket[4]}
for k = 1, count do
  local p = 2 * at[k] + 1
  answer[2 * k + 3], answer[2 * k + 4] = slots[p], slots[p + 1]
end
return answer
