--- ffmpeg and ffprobe on one file of a stranger: in a process of its own, with limits, told which format the file has, and unable to
-- read another file or the network.
-- @module moonpost.client.tools.ffmpeg
local child = require "moonpost.child"
local core = require "moonpost.core"
local mimes = require "moonpost.client.mimes"
local task = require "moonpost.task"

local ffmpeg = {}

local MEMORY = 1 << 30  -- bytes of address space; the libraries alone map 300 MB of it
local SECONDS = 30      -- for one run, unless told otherwise
local PIXELS = 120e6    -- of one picture: the largest of phones have 108 million
local AT_A_TIME = 2     -- runs; more wait

-- Which demuxer reads a type of file. What is not here is not read at all: above all no playlist, subtitle, SVG, or other format that
-- names further files. ffmpeg is not asked for its own opinion.
local demuxers = {
  ["image/jpeg"] = "jpeg_pipe", ["image/png"] = "png_pipe", ["image/gif"] = "gif", ["image/webp"] = "webp_pipe",
  ["video/mp4"] = "mov", ["video/3gpp"] = "mov", ["video/quicktime"] = "mov", ["audio/mp4"] = "mov",
  ["video/webm"] = "matroska", ["video/x-matroska"] = "matroska", ["video/x-msvideo"] = "avi",
  ["audio/ogg"] = "ogg", ["audio/mpeg"] = "mp3", ["audio/aac"] = "aac", ["audio/wav"] = "wav", ["audio/flac"] = "flac",
  ["audio/amr"] = "amr",
}

-- What is decoded: of a container's other streams nothing is looked at.
local CODECS = "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,mpeg4,h263,mjpeg,png,gif,webp,"
  .. "aac,mp3,mp3float,opus,libopus,vorbis,flac,alac,amrnb,amrwb,pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le"

--- What is missing: the names of programs, as a list.
function ffmpeg.missing()
  local names = {}
  for _, name in ipairs { "ffmpeg", "ffprobe", "prlimit", "setpriv" } do
    if not child.find(name) then names[#names + 1] = name end
  end
  return names
end

local function no_tools(names)
  return core.error("no-tools", ("this needs %s, which %s not there: apt-get install ffmpeg"):format(table.concat(names, " and "),
    #names == 1 and "is" or "are"))
end

--- What a file is, by its content.
-- @string path
-- @treturn ?string mime
-- @treturn ?table err code "media-source": it cannot be read; "media-format": nothing that is known here
function ffmpeg.mime(path)
  local opened, size = core.system.open_file(path)
  if not opened then return nil, core.error("media-source", ("cannot read %s: %s"):format(path, size)) end
  local file <close> = opened
  local head = file:read(mimes.HEAD)
  if not head and size > 0 then return nil, core.error("media-source", ("cannot read %s"):format(path)) end
  local mime = head and mimes.of_bytes(head)
  if not mime then return nil, core.error("media-format", ("%s is no picture, video or audio file that is known here"):format(path)) end
  return mime
end

-- The words that open the file.
local function input(path, mime)
  local demuxer = demuxers[mime:match "^[^;]+"]
  if not demuxer then return nil, core.error("media-format", ("%s, of type %s, cannot be read here"):format(path, mime)) end
  return {
    "-protocol_whitelist", "file,pipe", "-f", demuxer, "-codec_whitelist", CODECS, "-max_pixels", ("%d"):format(PIXELS),
    "-threads", "1",
  }
end

local codes = { timeout = "media-timeout", limit = "media-limit" } -- of moonpost.child

local slots = task.queue(AT_A_TIME)

-- What it has complained of first, without the addresses of its objects; what is not there at all it tells as a wrong word of ours.
local function complaint(program, ended)
  if ended.errors:find "matches no streams" then return "it holds nothing of the kind" end
  if ended.signal then return ("%s was ended by signal %d"):format(program, ended.signal) end
  local line = ended.errors:match "[^\n]+" or ("exit code %d"):format(ended.code)
  return program .. ": " .. line:gsub("^%[[^%]]*%] *", ""):sub(1, 200)
end

local function run(args, path, options)
  slots:push(true)
  local slot <close> = setmetatable({}, { __close = function() slots:pop() end })
  local ended, err = child.run {
    args = args, seconds = options.seconds or SECONDS, memory = MEMORY, file = options.file, output = options.output, max = options.max,
  }
  if not ended then return nil, codes[err.code] and core.error(codes[err.code], ("%s: %s"):format(path, err.message)) or err end
  if ended.code ~= 0 or ended.signal then
    return nil, core.error("media-format", ("%s cannot be read: %s"):format(path, complaint(args[1], ended)))
  end
  return slot and ended.output
end

local function command(program, head, path, mime, words)
  local missing = ffmpeg.missing()
  if #missing > 0 then return nil, no_tools(missing) end
  local err
  if not mime then
    mime, err = ffmpeg.mime(path)
    if not mime then return nil, err end
  end
  local args
  args, err = input(path, mime)
  if not args then return nil, err end
  table.insert(args, 1, program)
  table.move(args, 2, #args, 2 + #head)
  table.move(head, 1, #head, 2, args)
  return args, mime, words
end

local function append(args, words) return table.move(words, 1, #words, #args + 1, args) end

--- Asks ffprobe about a file. In a task.
-- @string path
-- @tparam table words what is asked
-- @treturn ?string its answer
-- @return nil and an error
function ffmpeg.probe(path, words)
  local args, err = command("ffprobe", { "-hide_banner", "-loglevel", "error" }, path)
  if not args then return nil, err end
  append(args, words)
  return run(append(args, { "-i", "file:" .. path }), path, {})
end

--- Has ffmpeg make something of a file. In a task.
-- @string path
-- @tparam table words what, and where to
-- @tparam ?table options `before`: words before the input; `seconds`: for it all; `output`: fn(bytes), told what it writes; `max`: bytes it
-- may write, else; `file`: bytes a file it writes may have
-- @treturn ?string what it has written to its standard output
-- @return nil and an error: code "no-tools", "media-source", "media-format", "media-timeout", "media-limit"
function ffmpeg.run(path, words, options)
  options = options or {}
  local head = { "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-filter_threads", "1" }
  local args, err = command("ffmpeg", append(head, options.before or {}), path)
  if not args then return nil, err end
  append(args, { "-i", "file:" .. path, "-sn", "-dn", "-map_metadata", "-1", "-threads", "1" })
  return run(append(args, words), path, options)
end

return ffmpeg
