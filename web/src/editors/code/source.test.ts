import { expect, test } from "vitest"
import { noteOf, sourceIn } from "./source.ts"

test.each(["", "flowchart TD\n  A --> B", "flowchart TD\n\n", "a\n```\nb", "````\n", "\n\n", "flowchart `x`"])(
  "a source comes out of its note as it went in: %j",
  (source) => expect(sourceIn(noteOf(source))).toBe(source),
)

test.each([
  "# Heading\n\n```mermaid\nflowchart TD\n```\n",
  "```mermaid\nflowchart TD\n```\n\ntext",
  "```mermaid\na\n```\n\n```mermaid\nb\n```\n",
  "```js\n1\n```\n",
  "```mermaid\nnot closed",
  "",
  "text",
])("what is more than one block of Mermaid is a note: %j", (note) => expect(sourceIn(note)).toBeNull())

test("space around the block and lines as on Windows change nothing", () => {
  expect(sourceIn("\n\n```mermaid\r\nflowchart TD\r\n  A\r\n```  \n\n")).toBe("flowchart TD\n  A")
})
