// @vitest-environment happy-dom
import mermaid from "mermaid"
import { expect, test } from "vitest"
import { faultOf } from "./lines.ts"

/** The place, and what stands there, of the fault that Mermaid itself finds in *source*. */
async function faultIn(source: string) {
  try {
    await mermaid.parse(source)
  } catch (error) {
    const found = faultOf(error, source)
    const { line = 0, column = 0, length = 0 } = found.place ?? {}
    const there = (source.split("\n")[line - 1] ?? "").slice(column, column + length)
    return { kind: found.kind, line, there }
  }
  throw new Error("Mermaid takes it")
}

test.each([
  ["flowchart", "flowchart TD\n  A --> B\n  B --> [x\n  C --> D", 3, "["],
  ["class diagram, which ends in the middle", "classDiagram\n  class A {\n    +x\n", 3, ""],
  ["ER diagram", "erDiagram\n  A ||--o{ B places\n", 2, "places"],
  ["a parser made by langium", "gitGraph\n  commit\n  brnch dev", 3, "brnch"],
  ["a character that no token begins with", 'pie title Pets\n  "Dogs" : x\n', 2, "x"],
])("a fault is at its line and word: %s", async (_, source, line, there) => {
  expect(await faultIn(source)).toEqual({ kind: "syntax", line, there })
})

test.each([
  ["front matter", "---\ntitle: x\n---\n"],
  ["comments and empty lines", "\n\n%% one\n%% two\n\n"],
  ["a directive of several lines", '%%{init: {\n  "theme": "forest"\n}}%%\n'],
  ["all of them", '---\ntitle: x\n---\n%%{init: {"theme": "dark"}}%%\n\n  %% one\n'],
])("what Mermaid takes out before it parses is counted: %s", async (_, before) => {
  const lines = before.split("\n").length - 1
  const source = `${before}flowchart TD\n  A --> B\n  %% between\n\n  B --> [x\n`
  expect(await faultIn(source)).toEqual({ kind: "syntax", line: lines + 5, there: "[" })
})

test("a first line that names no diagram is at fault itself", async () => {
  expect(await faultIn("%% note\nflowchrt TD\n")).toMatchObject({ kind: "unknown-type", line: 2 })
})

test("lines that end as on Windows count once", async () => {
  expect(await faultIn("flowchart TD\r\n  A --> B\r\n  B --> [x\r\n")).toMatchObject({ line: 3, there: "[" })
})

test("a fault without a line has no place", () => {
  expect(faultOf(new Error("There can be only one root"), "mindmap\n a\n b")).toMatchObject({
    kind: "other",
    place: null,
  })
  expect(faultOf("thrown text", "flowchart")).toMatchObject({ message: "thrown text", place: null })
})
