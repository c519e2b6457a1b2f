-- Begin with a horizon, unless there is one. What was made before is lost: it may not reach as far.
-- Answer 0 if something was lost since the stream was read, else 1.
-- ARGV: sequence of the stream's last event, time before it was read
if tonumber(ARGV[2]) < now() then
  return 0
end
if not horizon() then
  local epoch = redis.call('HINCRBY', 'news-clock', 'tick', 1)
  redis.call('HSET', 'news-clock', 'epoch', epoch, 'horizon', ARGV[1])
end
return 1
