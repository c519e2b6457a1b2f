-- Say that every feed takes an author's events when it is read, as was begun at a time. Answer 0 if
-- something was lost since, else 1.
-- ARGV: author, time
local epoch = now()
if tonumber(ARGV[2]) < epoch or not version_of(ARGV[1], epoch)
  or redis.call('HEXISTS', 'events:' .. ARGV[1], 'pulled') == 0 then
  return 0
end
redis.call('HSET', 'events:' .. ARGV[1], 'pulled', 'by all')
return 1
