-- A bucket is a list: 1 the id of its limits, 2 their form, 3 the time of the last event in microseconds, 4 its number, 5 the number before the
-- first event that can be given back, 6 when the bucket is full again, 7 the place of each window, 8 interval and drain of each place,
-- 9 value and period of each place, 10 what was given back.
local function load(key)
  local raw = redis.call('GET', key)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  if not raw then return nil, now end
  local is_read, bucket = pcall(cmsgpack.unpack, raw)
  -- Something else wrote it, or another version.
  if not is_read or type(bucket) ~= 'table' or type(bucket[8]) ~= 'table' or type(bucket[9]) ~= 'table' then return false end
  local back, passed = bucket[3] > now, math.max(now - bucket[3], 0)
  -- A clock that was set back refills nothing, and what was taken before is not given back. Time goes on from where it stands now.
  if back then bucket[5] = bucket[4] end
  bucket[3] = now
  local paces, slots = bucket[8], bucket[9]
  for p = 1, #paces, 2 do
    if paces[p + 1] > 0 then slots[p] = math.max(slots[p] - passed * paces[p + 1], 0) end
  end
  if bucket[10] then
    local kept = {}
    for _, one in ipairs(bucket[10]) do
      if one[3] > now and one[2] > bucket[5] then kept[#kept + 1] = one end
    end
    bucket[10] = #kept > 0 and kept or nil
  end
  return bucket, now, back
end

local function store(key, bucket)
  local left = math.max(math.ceil((bucket[6] - bucket[3]) / 1000), 0) + 1
  redis.call('SET', key, cmsgpack.pack(bucket), 'PX', left)
end
