-- Bring the latest events of some authors into a feed that is being made. Answer the authors whose
-- latest are lost; nothing if the feed was dropped or lost meanwhile.
-- ARGV: feed length, username, tick at which it was begun, then the authors
local length, user, begun = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local epoch = now()
if state_of(user, epoch) ~= begun then
  return nil
end
local lost, batch = {}, batch_for('news:' .. user, length)
for i = 4, #ARGV do
  local author = ARGV[i]
  if version_of(author, epoch) then
    local number = number_of(author)
    bring(batch, author, number, 0, '+inf')
    if redis.call('HEXISTS', 'events:' .. author, 'pulled') == 1
      and not pull(user, epoch, begun, number, horizon() or 0) then
      return nil
    end
  else
    table.insert(lost, author)
  end
end
flush(batch)
return lost
