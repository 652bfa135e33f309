local cli = {}
function cli.main() print(require "moonpost.core".version) return 0 end
return cli
