-- Have feeds take an author's events when they are read, except those that are lost, and those begun
-- after that was decided: these know.
-- ARGV: author, time when it was decided, then the followers
local epoch = now()
local number, moment, last = number_of(ARGV[1]), tonumber(ARGV[2]), horizon() or 0
for i = 3, #ARGV do
  pull(ARGV[i], epoch, moment, number, last)
end
