-- Write an author's events into many feeds, except into those that are lost, and of each event those
-- begun after it was recorded: these take it from the author's latest, if their owner still follows.
-- Then, if these were the last to be written, show readers all up to a sequence, and answer as that.
-- ARGV: feed length, author, this sequence and the time of the first record, or 0 and 0, number of
-- events, for each the time of its record and its sequence, then the followers
local length, last = tonumber(ARGV[1]), 5 + 2 * ARGV[5]
local epoch = now()
local number = number_of(ARGV[2])
for i = last + 1, #ARGV do
  local begun = state_of(ARGV[i], epoch)
  if begun then
    local sequences, numbers = {}, {}
    for j = 6, last, 2 do
      local sequence = tonumber(ARGV[j + 1])
      if begun <= tonumber(ARGV[j]) and not numbers[sequence] then
        table.insert(sequences, sequence)
        numbers[sequence] = number
      end
    end
    add('news:' .. ARGV[i], sequences, numbers, length)
  end
end
local final = tonumber(ARGV[3])
return final == 0 and 1 or advance(final, tonumber(ARGV[4]))
