local printable = require "moonpost.printable"

describe("printable text", function()
  it("leaves text of any script and emoji as it is", function()
    local text = [[Ana: "¿qué?" \ naïve 日本語 שלום مرحبا 👩‍👩‍👧 ﷽]]
    assert.equal(text, printable.line(text))
    assert.equal(text, printable.text(text))
  end)

  it("escapes every control character below U+0080", function()
    for code = 0, 0x7f do
      local shown = printable.line(string.char(code))
      assert.equal((code < 0x20 or code == 0x7f) and ("\\x%02x"):format(code) or string.char(code), shown)
    end
  end)

  it("escapes the C1 controls as characters and as bytes", function()
    for code = 0x80, 0x9f do
      assert.equal(("\\u{%04x}"):format(code), printable.line(utf8.char(code)))
      assert.equal(("\\x%02x"):format(code), printable.line(string.char(code)))
    end
    assert.equal("\u{a0}", printable.line "\u{a0}")
  end)

  it("escapes separators and turns of direction, and not their neighbours", function()
    for code = 0x2020, 0x2070 do
      local turns = code >= 0x2028 and code <= 0x202e or code >= 0x2066 and code <= 0x2069
      assert.equal(turns and ("\\u{%04x}"):format(code) or utf8.char(code), printable.line(utf8.char(code)))
    end
  end)

  it("escapes each byte that is no UTF-8 and keeps what stands around it", function()
    assert.equal([[é\xff\xc3 ü\xe2\x82]], printable.line "é\xff\xc3 ü\xe2\x82")
    assert.equal([[\xed\xa0\x80]], printable.line "\xed\xa0\x80") -- a surrogate
    assert.equal([[\xc0\x9b]], printable.line "\xc0\x9b") -- ESC, overlong
    assert.equal([[\xf4\x90\x80\x80]], printable.line "\xf4\x90\x80\x80") -- above U+10FFFF
  end)

  it("keeps line feeds and tabs only where there may be several lines", function()
    assert.equal([[a\x0ab\x09c\x0d]], printable.line "a\nb\tc\r")
    assert.equal("a\nb\tc\\x0d\\x1b", printable.text "a\nb\tc\r\x1b")
  end)

  it("cuts to a length in bytes, never within a character", function()
    assert.equal("abcdef", printable.line("abcdef", 6))
    assert.equal("abc…", printable.line("abcdefg", 6))
    assert.equal("é…", printable.line("ééé", 5))
    for max = 3, 30 do
      for _, text in ipairs { ("日"):rep(20), ("\x1b"):rep(20), ("\xff"):rep(20), ("\u{202e}"):rep(20), ("👩"):rep(20) } do
        local shown = printable.line(text, max)
        assert.is_true(#shown <= max)
        assert.is_truthy(utf8.len(shown))
        assert.equal("…", shown:sub(-3))
      end
    end
  end)

  it("shows what is no string by its name", function()
    assert.equal("nil", printable.line(nil))
    assert.equal("12", printable.line(12))
  end)
end)
