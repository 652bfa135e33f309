-- Admin calls of a sandbox, for the programs of the benchmark.
local core = require "moonpost.core"
local json = require "cjson.safe"
local task = require "moonpost.task"

--- Makes one, in a task; the answer.
return function(url, path, value)
  local body = assert(json.encode(value))
  local response, err = task.await(function(resume)
    core.net.request { method = "POST", url = ("http://%s/admin/%s"):format(url:match "//([^/]+)", path), body = body, done = resume }
  end)
  assert(response, err)
  assert(response.status == 200, response.body)
  return assert(json.decode(response.body))
end
