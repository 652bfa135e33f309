--- Names of files: what a stranger calls a file does no harm, wherever it is kept; and what kind of file it is.
local file_names = require "moonpost.client.file_names"
local mimes = require "moonpost.client.mimes"

local function harmless(rows)
  for _, row in ipairs(rows) do assert.same({ row[1], row[2] }, { row[1], file_names.harmless(row[1]) }) end
end

describe("the name of a file that came", function()
  it("is kept as it is when there is nothing wrong with it", function()
    for _, name in ipairs { "photo.jpg", "Übersicht 2024.pdf", "発表.pptx", "a.tar.gz", "no ending", "it's (1) & more.txt", "👍.png" } do
      assert.equal(name, file_names.harmless(name))
    end
  end)

  it("names no folder", function()
    harmless {
      { "../../etc/passwd", "passwd" }, { "/etc/passwd", "passwd" }, { "..\\..\\boot.ini", "boot.ini" }, { "C:\\x\\y.txt", "y.txt" },
      { "C:y.txt", "C_y.txt" }, { "a/", nil }, { "..", nil }, { ".", nil }, { "a/..", nil }, { "~/.profile", "profile" },
      { "~root", "_~root" },
    }
  end)

  it("holds no NUL, no control characters, and nothing that is not seen or turns letters around", function()
    harmless {
      { "a\0b.txt", "ab.txt" }, { "a\r\nb\27[2Jc\127.txt", "ab[2Jc.txt" }, { "\u{202e}gpj.exe", "gpj.exe" }, { "a\u{200b}\u{feff}b", "ab" },
      { "line\u{2028}break", "linebreak" }, { "\0", nil }, { "\u{85}x", "x" },
    }
  end)

  it("is UTF-8", function()
    harmless { { "\xff\xfea.jpg", "a.jpg" }, { "caf\xe9.txt", "caf.txt" }, { "\xed\xa0\x80x", "x" }, { "\xff", nil } }
  end)

  it("is no device's, on any system", function()
    harmless {
      { "con", "_con" }, { "NUL.txt", "_NUL.txt" }, { "Com1.tar.gz", "_Com1.tar.gz" }, { "lpt9 .txt", "_lpt9 .txt" },
      { "CONIN$", "_CONIN$" }, { "console.txt", "console.txt" }, { "com10", "com10" }, { 'a<b>:c"d|e?f*', "a_b__c_d_e_f_" },
    }
  end)

  it("is neither hidden nor an option", function()
    harmless { { ".bashrc", "bashrc" }, { "  x.txt . ", "x.txt" }, { "-rf", "_-rf" }, { "…", "…" } }
  end)

  it("is short enough for any file system, and keeps its ending and whole characters", function()
    local long = file_names.harmless(("é"):rep(3000) .. ".pdf")
    assert.is_true(#long <= 180)
    assert.matches("^[é]+%.pdf$", long)
    assert.truthy(utf8.len(long))
    assert.equal(180, #file_names.harmless("x." .. ("y"):rep(400)))
  end)

  it("is made of the kind and the message when it has none, or nothing of it is left", function()
    local rows = {
      { { kind = "image", mime = "image/jpeg" }, "3EB0", "image-3EB0.jpg" }, { { kind = "voice", mime = mimes.OPUS }, "A", "voice-A.ogg" },
      { { kind = "video", mime = "Video/MP4; x=1" }, "../A\0", "video-A.mp4" }, { { kind = "document", mime = "x/y" }, "", "document" },
      { { kind = "sticker", mime = "image/webp" }, ("A"):rep(200), "sticker-" .. ("A"):rep(64) .. ".webp" },
      { { kind = "document", mime = "application/pdf", filename = "..//" }, "A", "document-A.pdf" },
      { { kind = "document", filename = "a/b.txt" }, "A", "b.txt" }, { {}, nil, "file" },
    }
    for _, row in ipairs(rows) do assert.equal(row[3], file_names.of(row[1], row[2])) end
  end)

  it("gets a number before its ending", function()
    assert.same({ "a.b (2).jpg", "README (3)", ".x (1)" },
      { file_names.numbered("a.b.jpg", 2), file_names.numbered("README", 3), file_names.numbered(".x", 1) })
  end)
end)

describe("the kind of a file", function()
  it("is known by its first bytes", function()
    local rows = {
      { "\xff\xd8\xff\xe0", "image/jpeg" }, { "\x89PNG\r\n\x1a\n", "image/png" }, { "GIF89a", "image/gif" },
      { "RIFF\1\2\3\4WEBPVP8X", "image/webp" }, { "RIFF\1\2\3\4WAVE", "audio/wav" }, { "\0\0\0\x18ftypisom", "video/mp4" },
      { "\0\0\0\x18ftypM4A ", "audio/mp4" }, { "\0\0\0\x18ftypqt  ", "video/quicktime" }, { "\0\0\0\x18ftyp3gp4", "video/3gpp" },
      { "\x1a\x45\xdf\xa3\x42\x82webm", "video/webm" }, { "\x1a\x45\xdf\xa3\x42\x82matroska", "video/x-matroska" },
      { "OggS\0\2" .. ("\0"):rep(22) .. "OpusHead", "audio/ogg; codecs=opus" }, { "OggS\0\2" .. ("\0"):rep(22) .. "\1vorbis", "audio/ogg" },
      { "ID3\4", "audio/mpeg" }, { "\xff\xfb\x90", "audio/mpeg" }, { "\xff\xf1\x50", "audio/aac" }, { "fLaC", "audio/flac" },
      { "%PDF-1.7", "application/pdf" }, { "hello", nil }, { "", nil }, { "\xff\xd8", nil },
    }
    for i, row in ipairs(rows) do assert.same({ i, row[2] }, { i, mimes.of_bytes(row[1]) }) end
  end)

  it("is known by the ending of its name, in any case", function()
    local rows = { { "a.JPG", "image/jpeg" }, { "a.b.pdf", "application/pdf" }, { "a.opus", mimes.OPUS }, { "a", nil }, { "a.", nil },
      { "a.xyzzy", nil }, { "jpg", nil } }
    for _, row in ipairs(rows) do assert.same({ row[1], row[2] }, { row[1], mimes.of_name(row[1]) }) end
  end)

  it("has an ending, of several the usual one", function()
    local rows = { { "image/jpeg", "jpg" }, { "IMAGE/PNG", "png" }, { mimes.OPUS, "ogg" }, { "text/plain; charset=utf-8", "txt" },
      { "a/b", nil }, { "", nil } }
    for _, row in ipairs(rows) do assert.same({ row[1], row[2] }, { row[1], mimes.ending(row[1]) }) end
    assert.is_nil(mimes.ending(nil))
  end)
end)
