-- Phone numbers in the forms people type them.
local parse = require("moonpost.client.phone_number").parse

describe("a phone number", function()
  for _, row in ipairs {
    { "+1 555 123 4567", "15551234567" }, { "+1 (555) 123-4567", "15551234567" }, { "+1.555.123.4567", "15551234567" },
    { "0049 171 1234567", "491711234567" }, { "+49 171/1234567", "491711234567" }, { "  +49-171-12 345 67\t", "491711234567" },
    { "+44 (0)20 7946 0958", "442079460958" }, { "0044 (0)20 7946 0958", "442079460958" }, { "+15551234567", "15551234567" },
    { "+1\u{A0}555\u{202F}123\u{2011}4567", "15551234567" }, { "\u{202A}+55 11 91234\u{2013}5678\u{202C}", "5511912345678" },
    { "[+1] 555 123 4567", "15551234567" }, { "+1234567", "1234567" }, { "+123456789012345", "123456789012345" },
  } do
    it(("is read from '%s'"):format(row[1]), function() assert.equal(row[2], (parse(row[1]))) end)
  end

  for _, row in ipairs {
    { "", "it has no digits" }, { "+", "it has no digits" }, { "--", "it has no digits" },
    { "hello", "it holds 'h'" }, { "+1 555 CALL NOW", "it holds 'C'" }, { "555+1234567", "it holds '+'" },
    { "++15551234567", "it holds '+'" }, { "+1 555 123 4567 x12", "it holds 'x'" }, { "+1 555 ١٢٣ 4567", "it holds '١'" },
    { "+1555\n\0001234567", "it holds '\\x00'" }, { "0171 1234567", "it begins with a single 0, as numbers inside a country do" },
    { "+0171 1234567", "no country code begins with 0" }, { "000 171 1234567", "no country code begins with 0" },
    { "(555) 123-4567", "it does not begin with + (or 00) and its country code" }, { "15551234567", "it does not begin with +" },
    { "+1 555", "it has 4 digits, and none has less than 7" }, { "+1234567890123456", "it has 16 digits, and none has more than 15" },
  } do
    it(("is refused in '%s', with the reason"):format(row[1]:gsub("%c", "?")), function()
      local digits, err = parse(row[1])
      assert.is_nil(digits)
      assert.equal("phone", err.code)
      assert.is_truthy(err.message:find(row[2], 1, true), err.message)
      assert.is_truthy(err.message:find("+1 555 123 4567", 1, true), err.message)
    end)
  end
end)
