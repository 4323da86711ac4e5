-- The least that counts: one quota, one number for each bucket. ARGV: time of one request, time of the burst, cost.
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval * cost
local wait = full - burst - now
if wait > 0 then return {0, 0, wait} end
redis.call('SET', KEYS[1], full, 'PX', math.ceil((full - now) / 1000))
return {1, math.floor(-wait / interval), full - now}
