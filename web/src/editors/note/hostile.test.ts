// @vitest-environment happy-dom
/**
 * Against what the rules of Markdown let through. That the whole holds in a real browser, with its parser and the page's
 * policy, is for the browser's tests, which open each of these notes: DOMPurify under a model of a browser proves little.
 */
import { beforeAll, expect, test } from "vitest"
import hostile from "./hostile.json"
import { parse } from "./markdown.ts"
import { katex } from "./maths.ts"

const ALLOWED = new Set(
  "p a em strong s code pre table thead tbody tr th td div span ul ol li h1 h2 h3 h4 h5 h6 blockquote hr br sup section input img".split(
    " ",
  ),
)
const MATHS = /^(math|semantics|m[a-z]+)$/
const ATTRIBUTES =
  /^(href|src|alt|title|class|id|align|type|checked|aria-label|start|data-(mermaid|embed|task|picture|language))$/

function everything(html: string): Element[] {
  const holder = document.createElement("div")
  holder.innerHTML = html
  return [...holder.querySelectorAll("*")]
}

beforeAll(async () => {
  await new Promise<void>((loaded) => {
    katex.subscribe(loaded)
    katex.get()
  })
})

test.each(hostile)("a hostile note becomes text, known elements and safe addresses: %j", (note) => {
  const elements = everything(
    parse(note)
      .blocks.map((block) => block.html)
      .join(""),
  )
  for (const element of elements) {
    const name = element.localName
    if (MATHS.test(name) && element.closest("math")) continue
    expect(ALLOWED).toContain(name)
    for (const attribute of element.getAttributeNames()) expect(attribute).toMatch(ATTRIBUTES)
    expect(element.getAttribute("href") ?? "#").not.toMatch(/^\s*(javascript|vbscript|data|file):/i)
    if (name === "img") expect(element.getAttribute("src")).toMatch(/^data:image\/(png|jpeg|gif|webp);/)
  }
})
