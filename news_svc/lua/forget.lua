-- Begin an epoch: all that is here is lost, and is overwritten when it is made anew.
redis.call('HDEL', 'news-clock', 'run')
now()
