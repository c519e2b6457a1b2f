-- Feeds. Each is one string: a head (whether it is complete, the tick at which it was begun, from
-- how many authors it takes events when it is read), then its events in the stream's order, each
-- its sequence and its author's number. The authors from whom it takes events are another string:
-- each one's number, and up to which sequence the feed has the author's events.
--
-- Numbers are compared, and never strings: how Lua compares these depends on the server's locale.

local HEAD, ENTRY = 12, 11

local function head_of(is_complete, begun, pulls)
  return struct.pack('>BI7I4', is_complete and 1 or 0, begun, pulls)
end

-- The tick at which a feed was begun, whether it is complete, and from how many authors it takes
-- events; nil if it is lost.
local function state_of(user, epoch)
  local head = redis.call('GETRANGE', 'news:' .. user, 0, HEAD - 1)
  if #head == HEAD then
    local flag, begun, pulls = struct.unpack('>BI7I4', head)
    if begun >= epoch then
      return begun, flag == 1, pulls
    end
  end
end

local function lose(user)
  redis.call('DEL', 'news:' .. user, 'pulls:' .. user)
end

-- From whom a feed takes events, and how far it has them; nil if that is lost.
local function pulls_of(user, pulls)
  if pulls == 0 then
    return ''
  end
  local text = redis.call('GET', 'pulls:' .. user)
  return text and #text == pulls * ENTRY and text or nil
end

-- Have a feed take events from one author more, from a sequence on, if it was begun by then. Tell
-- whether nothing is lost.
local function pull(user, epoch, moment, number, sequence)
  local begun, is_complete, pulls = state_of(user, epoch)
  if not begun or begun > moment then
    return true
  end
  local text = pulls_of(user, pulls)
  if not text then
    lose(user)
    return false
  end
  for i = 1, #text, ENTRY do
    if struct.unpack('>I4', text, i) == number then
      return true
    end
  end
  local one = struct.pack('>I4I7', number, sequence)
  if pulls == 0 then
    redis.call('SET', 'pulls:' .. user, one, 'EX', redis.call('TTL', 'news:' .. user) + 1)
  else
    redis.call('APPEND', 'pulls:' .. user, one)
  end
  redis.call('SETRANGE', 'news:' .. user, 0, head_of(is_complete, begun, pulls + 1))
  return true
end

local function count_of(feed)
  return math.max(0, (redis.call('STRLEN', feed) - HEAD) / ENTRY)
end

local function entries(feed, first, last)
  return redis.call('GETRANGE', feed, HEAD + first * ENTRY, HEAD + (last + 1) * ENTRY - 1)
end

-- How many of a feed's events come before a sequence.
local function find(feed, count, sequence)
  local low, high = 0, count
  local middle = count - 1 -- mostly it is beyond them all
  while low < high do
    if struct.unpack('>I7', entries(feed, middle, middle)) < sequence then
      low = middle + 1
    else
      high = middle
    end
    middle = math.floor((low + high) / 2)
  end
  return low
end

-- Bring events into a feed: their sequences, and for each its author's number. An event that is
-- there stays. What is above the length is cut off now and then, and is not read.
local function add(feed, sequences, numbers, length)
  if #sequences == 0 then
    return
  end
  table.sort(sequences)
  local count = count_of(feed)
  local from = find(feed, count, sequences[1])
  if from < count then
    local known = entries(feed, from, count - 1)
    for i = 1, #known, ENTRY do
      local sequence, number = struct.unpack('>I7I4', known, i)
      if not numbers[sequence] then
        table.insert(sequences, sequence)
      end
      numbers[sequence] = number
    end
    table.sort(sequences)
  end
  local packed = {}
  for i, sequence in ipairs(sequences) do
    packed[i] = struct.pack('>I7I4', sequence, numbers[sequence])
  end
  redis.call('SETRANGE', feed, HEAD + from * ENTRY, table.concat(packed))
  count = from + #sequences
  if count > length + math.floor(length / 8) then
    local head = redis.call('GETRANGE', feed, 0, HEAD - 1)
    redis.call('SET', feed, head .. entries(feed, count - length, count - 1), 'KEEPTTL')
  end
end

-- The sequence below which nothing could stay in a feed.
local function floor_of(feed, length)
  local count = count_of(feed)
  if count < length then
    return 0
  end
  return (struct.unpack('>I7', entries(feed, count - length, count - length)))
end

-- Events on their way into a feed, a part of them at a time.
local function batch_for(feed, length)
  return {feed = feed, length = length, sequences = {}, numbers = {},
    floor = floor_of(feed, length) - 1}
end

local function flush(batch)
  add(batch.feed, batch.sequences, batch.numbers, batch.length)
  batch.sequences, batch.numbers = {}, {}
  batch.floor = floor_of(batch.feed, batch.length) - 1
end

-- Bring what an author did above one sequence, and up to another, as far as it could stay.
local function bring(batch, author, number, above, last)
  above = math.max(above, batch.floor)
  for _, text in ipairs(latest_of(author, above, last, batch.length)) do
    local sequence = tonumber(text)
    if not batch.numbers[sequence] then
      table.insert(batch.sequences, sequence)
      batch.numbers[sequence] = number
    end
  end
  if #batch.sequences >= batch.length then
    flush(batch)
  end
end
