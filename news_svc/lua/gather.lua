-- Bring the latest events of some authors into a feed that is being made. Answer the authors whose
-- latest are lost; nothing if the feed was dropped or lost meanwhile.
-- ARGV: feed length, username, tick at which it was begun, then the authors
local length, feed = ARGV[1], 'feed:' .. ARGV[2]
local epoch = now()
if state_of(ARGV[2], epoch) ~= tonumber(ARGV[3]) then
  return nil
end
local lost = {}
for i = 4, #ARGV do
  local author = ARGV[i]
  if version_of(author, epoch) then
    -- In a full feed nothing below its first event could stay.
    local first = redis.call('ZRANGE', feed, -length, -length, 'WITHSCORES')
    local from = math.max(0, tonumber(first[2] or 0))
    local latest = redis.call('ZRANGE', 'author:' .. author, '+inf', from,
      'BYSCORE', 'REV', 'LIMIT', 0, length, 'WITHSCORES')
    for j = 1, #latest, 2 do
      redis.call('ZADD', feed, latest[j + 1], author .. '/' .. latest[j])
    end
    redis.call('ZREMRANGEBYRANK', feed, 1, -length - 1)
  else
    table.insert(lost, author)
  end
end
return lost
