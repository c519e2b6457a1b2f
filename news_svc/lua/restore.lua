-- Put an author's latest events back. Answer 0 if something was lost since they were read, else 1.
-- What is there already stays: it may be newer than what was read.
-- ARGV: author, time before they were read, version of the last, feed length, then sequence, version,
-- body, sequence …
local author, moment, version = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local latest, bodies = 'latest:' .. author, 'events:' .. author

local epoch, tick = now()
if moment < epoch or moment > tick then
  return 0
end
local last, known = version_of(author, epoch), {}
if last then
  for _, sequence in ipairs(redis.call('ZRANGE', latest, 1, -1)) do
    local body = redis.call('HGET', bodies, sequence)
    known[body and cjson.decode(body)[1] or 0] = true
  end
else
  redis.call('DEL', latest, bodies)
  redis.call('ZADD', latest, -tick, '')
end
-- Where there are as many as are kept, older ones may have been dropped for being too many.
local first = redis.call('ZRANGE', latest, -ARGV[4], -ARGV[4], 'WITHSCORES')[2]
for i = 5, #ARGV, 3 do
  if not known[tonumber(ARGV[i + 1])] and (not first or tonumber(ARGV[i]) >= tonumber(first)) then
    keep(author, ARGV[i], ARGV[i + 2])
  end
end
redis.call('HSET', bodies, '', math.max(version, last or 0))
return 1
