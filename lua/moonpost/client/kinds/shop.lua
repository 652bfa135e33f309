--- Products and orders (fact sheet 05 §4.10). Prices are numbers: 12.5 of a currency.
-- @module moonpost.client.kinds.shop
local check = require "moonpost.client.kinds.check"

local read, build = {}, {}

local function price(amount) return amount and amount / 1000 end

function read.productMessage(content, m)
  local product, catalog = content.product or {}, content.catalog or {}
  m.kind, m.text = "product", content.body
  m.product = {
    id = product.productId, title = product.title or catalog.title, description = product.description or catalog.description,
    currency = product.currencyCode, price = price(product.priceAmount1000), sale_price = price(product.salePriceAmount1000),
    retailer_id = product.retailerId, url = product.url, owner = content.businessOwnerJid, footer = content.footer,
  }
end

function read.orderMessage(content, m)
  m.kind, m.text = "order", content.message
  m.order = {
    id = content.orderId, title = content.orderTitle, items = content.itemCount, total = price(content.totalAmount1000),
    currency = content.totalCurrencyCode, seller = content.sellerJid, token = content.token,
    status = content.status and tostring(content.status):lower(),
  }
end

local fields = {
  id = "string", title = "string", description = "string", currency = "string", price = "number", sale_price = "number",
  retailer_id = "string", url = "string", owner = "string", footer = "string", image = "table",
}

local function thousandths(amount) return amount and math.floor(amount * 1000 + 0.5) end

--- { product = { id =, title =, owner = JID, price = 12.5, currency = "EUR", … }, text = "…" }; image: an ImageMessage
function build.product(spec)
  local what, product = "a product", spec.product
  check.fields(what, spec, { product = "table", text = "string" })
  check.fields(what, product, fields)
  return { productMessage = {
    product = {
      productId = check.text(what, "id", product.id), title = check.text(what, "title", product.title),
      description = product.description, currencyCode = product.currency, priceAmount1000 = thousandths(product.price),
      salePriceAmount1000 = thousandths(product.sale_price), retailerId = product.retailer_id, url = product.url,
      productImage = product.image, productImageCount = product.image and 1 or nil,
    },
    businessOwnerJid = check.person(what, "owner", product.owner), body = spec.text, footer = product.footer,
  } }
end

return { read = read, build = build, takes = { product = { "text" } } }
