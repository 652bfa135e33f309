-- busted, for `moonpost run`: it fails when a spec does, and not because the last bot that a spec ran could not go on.
require "busted.runner" { standalone = false } -- comes back only when nothing has failed
os.exit(true, true)
