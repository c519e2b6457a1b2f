-- Read events of a feed, up to the horizon, with their bodies: [[sequence, author, body], …] as one
-- JSON text, since each part of a reply costs its reader; or nothing if the feed is lost. An event
-- without a body has left its author's latest, and therefore every feed, and one that is hidden is
-- not read: see store.py.
-- ARGV: feed length, username, number of events, order (oldest or newest), sequence of the last one
-- read or '', seconds after which a feed that nobody reads is lost
local length, user, wanted = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local feed = 'news:' .. user
local epoch = now()
local _, is_complete, pulls = state_of(user, epoch)
local last = horizon()
if not is_complete or not last then
  return nil
end

-- Take in what has happened since from authors whose events are not written into feeds. Tell
-- whether nothing is lost.
local function take_in()
  local text = pulls_of(user, pulls)
  if not text then
    return false
  end
  local marks, batch = {}, nil
  for i = 1, #text, ENTRY do
    local number, mark = struct.unpack('>I4I7', text, i)
    local author = author_of(number)
    if not author or not version_of(author, epoch) then
      return false
    end
    if mark < last and last_of(author) > mark then
      batch = batch or batch_for(feed, length)
      bring(batch, author, number, mark, last)
    end
    table.insert(marks, struct.pack('>I4I7', number, math.max(mark, last)))
  end
  if batch then
    flush(batch)
    redis.call('SET', 'pulls:' .. user, table.concat(marks), 'KEEPTTL')
  end
  return true
end

if not take_in() then
  lose(user)
  return nil
end
if redis.call('TTL', feed) < ARGV[6] * 0.9 then
  -- A server that takes no writes for now is still read.
  redis.pcall('EXPIRE', feed, ARGV[6])
  redis.pcall('EXPIRE', 'pulls:' .. user, ARGV[6] + 1)
end

local count = count_of(feed)
local low, high = math.max(0, count - length), find(feed, count, last + 1)
local newest, after = ARGV[4] == 'newest', tonumber(ARGV[5])
if after and newest then
  high = math.min(high, find(feed, count, after))
elseif after then
  low = math.max(low, find(feed, count, after + 1))
end

local found, names, hiding = {}, {}, {}
while low < high and #found < wanted do
  local first, final = low, math.min(high, low + wanted) - 1
  if newest then
    first, final = math.max(low, high - wanted), high - 1
  end
  local text = entries(feed, first, final)
  local from, to, step = 1, #text, ENTRY
  if newest then
    from, to, step = #text - ENTRY + 1, 1, -ENTRY
    high = first
  else
    low = final + 1
  end
  for i = from, to, step do
    local sequence, number = struct.unpack('>I7I4', text, i)
    if not names[number] then
      names[number] = author_of(number)
      hiding[number] = names[number] and hides(names[number])
    end
    local author = names[number]
    local place = string.format('%.0f', sequence)
    local body = author and redis.call('HGET', 'events:' .. author, place)
    if not body and not (author and version_of(author, epoch)) then
      lose(user)
      return nil
    end
    local hidden = body and hiding[number] and is_hidden(author, sequence, body)
    if body and #found < wanted and not hidden then
      table.insert(found, '[' .. place .. ',' .. cjson.encode(author) .. ',' .. body .. ']')
    end
  end
end
return '[' .. table.concat(found, ',') .. ']'
