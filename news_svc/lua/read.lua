-- Read events of a feed, up to the horizon, with their bodies: sequence, body, sequence, body … or
-- nothing if the feed is lost. An event without a body has left its author's latest, and therefore
-- every feed, and one that is hidden is not read: see store.py.
-- ARGV: username, number of events, order (oldest or newest), sequence of the last one read or ''
local feed, wanted = 'feed:' .. ARGV[1], tonumber(ARGV[2])
local epoch = now()
local _, complete = state_of(ARGV[1], epoch)
local last = horizon()
if not complete or not last then
  return nil
end
local newest = ARGV[3] == 'newest'
local command = newest and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
local from, to = newest and last or 0, newest and 0 or last
if ARGV[4] ~= '' and not (newest and tonumber(ARGV[4]) > last) then
  from = '(' .. ARGV[4]
end

local found, offset = {}, 0
repeat
  local members = redis.call(command, feed, from, to, 'WITHSCORES', 'LIMIT', offset, wanted)
  for i = 1, #members, 2 do
    local author, id = string.match(members[i], '^([^/]+)/(.+)$')
    local body = redis.call('HGET', 'author-events:' .. author, id)
    if body and #found < 2 * wanted then
      if not is_hidden(author, members[i + 1], body) then
        table.insert(found, members[i + 1])
        table.insert(found, body)
      end
    elseif not body and not version_of(author, epoch) then
      redis.call('DEL', feed)
      return nil
    end
  end
  offset = offset + wanted
until #found == 2 * wanted or #members < 2 * wanted
return found
