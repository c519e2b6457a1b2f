-- Note whether somebody follows an author; leaving takes the author out of the feed.
-- Answer 0 if a later change of the two is known already, else 1.
-- KEYS: follows:<follower>, feed:<follower>
-- ARGV: author, version, 1 to follow or -1 to leave
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
if tonumber(ARGV[2]) < math.abs(last) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] < '0' and '-' .. ARGV[2] or ARGV[2])
if ARGV[3] < '0' then
  local prefix = ARGV[1] .. '/'
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if string.sub(member, 1, #prefix) == prefix then
      redis.call('ZREM', KEYS[2], member)
    end
  end
end
return 1
