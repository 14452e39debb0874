import { expect, test } from "vitest"
import { parse } from "./markdown.ts"
import { toggle } from "./tasks.ts"

const html = (note: string) =>
  parse(note)
    .blocks.map((block) => block.html)
    .join("")

test("a table aligns its cells by attributes", () => {
  expect(html("| a | b |\n|:-:|--:|\n| 1 | 2 |")).toContain('<th align="center">a</th>\n<th align="right">b</th>')
})

test("addresses become links, names of files do not", () => {
  expect(html("see https://example.org/x and README.md")).toBe(
    '<p>see <a href="https://example.org/x">https://example.org/x</a> and README.md</p>\n',
  )
})

test("strikethrough and footnotes are there", () => {
  expect(html("~~gone~~")).toContain("<s>gone</s>")
  expect(html("a[^1]\n\n[^1]: why")).toMatch(/footnote-ref[\s\S]*footnotes-list[\s\S]*why/)
})

test("a picture from elsewhere is a link to it, one that stands in the note is shown", () => {
  expect(html("![Map](https://example.org/a.png)")).toContain(
    '<a data-picture="" href="https://example.org/a.png">Map</a>',
  )
  expect(html("![Dot](data:image/png;base64,AAAA)")).toContain('<img src="data:image/png;base64,AAAA" alt="Dot">')
})

test("prices are no formulas, formulas are", () => {
  expect(html("costs $5 and $10")).toBe("<p>costs $5 and $10</p>\n")
  expect(html("so $a^2$ holds")).toContain("<code>a^2</code>")
  expect(html("$$\na\nb\n$$\n\nafter")).toMatch(/<div class="math">.*<code>a\nb<\/code><\/div>\s*<p>after/s)
})

test("an embed needs an id of the right form", () => {
  expect(html("![[diagram:0198-ABCD]]")).toContain('<span data-embed="0198-abcd"></span>')
  expect(html("![[diagram:../x]]")).not.toContain("data-embed")
})

test("each block knows its lines; one that moved is the same", () => {
  const first = parse("# A\n\n- [ ] one\n- [x] two\n\ntext\nmore")
  expect(first.blocks.map(({ line, end }) => [line, end])).toEqual([
    [0, 1],
    [2, 5],
    [5, 7],
  ])
  const moved = parse("new\n\n# A\n\n- [ ] one\n- [x] two\n\ntext\nmore")
  expect(moved.blocks.slice(1).map((block) => block.html)).toEqual(first.blocks.map((block) => block.html))
  expect(first.blocks[1]?.html).toMatch(/data-task="0".*data-task="1" checked/s)
})

test("headings make the outline, with the text that they show", () => {
  expect(parse("# A *b* `c`\n\ntext\n\n### D\n").headings).toEqual([
    { level: 1, text: "A b c", line: 0 },
    { level: 3, text: "D", line: 4 },
  ])
})

test.each([
  ["- [ ] a", "- [x] a"],
  ["  * [X] a", "  * [ ] a"],
  ["> 12. [x] a", "> 12. [ ] a"],
])("a tick changes one character of its line: %s", (before, after) => {
  const change = toggle(before)
  expect(change && before.slice(0, change.at) + change.insert + before.slice(change.at + 1)).toBe(after)
})

test("a line without a box has nothing to tick", () => expect(toggle("text [ ] x")).toBeNull())
