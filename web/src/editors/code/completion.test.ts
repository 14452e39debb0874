import { CompletionContext } from "@codemirror/autocomplete"
import { EditorState } from "@codemirror/state"
import { expect, test } from "vitest"
import { complete, namesIn } from "./completion.ts"
import { kindOf } from "./kinds.ts"

/** The labels that are offered where `|` stands. */
function offered(text: string): string[] {
  const at = text.indexOf("|")
  const state = EditorState.create({ doc: text.replace("|", "") })
  const result = complete(new CompletionContext(state, at, false))
  return result && "options" in result ? result.options.map((each) => each.label) : []
}

test("the first word is a kind of diagram", () => {
  expect(offered("%% note\nseq|")).toContain("sequenceDiagram")
})

test("below it are the words of that kind, each once, and the names in the document", () => {
  const labels = offered("sequenceDiagram\n  actor Person\n  Person->>Server: x\n  a|")
  expect(labels).toEqual(expect.arrayContaining(["alt", "activate", "Person", "Server"]))
  expect(labels.filter((label) => label === "alt")).toHaveLength(1)
  expect(labels).not.toContain("subgraph")
})

test("the word that is being typed does not offer itself", () => {
  expect(namesIn("flowchart TD\n  Alpha --> Alp", 25, [])).not.toContain("Alp")
})

test("a kind is found behind front matter, directives and comments", () => {
  expect(kindOf('---\ntitle: x\n---\n%%{init: {"theme": "dark"}}%%\n%% a\nstateDiagram-v2\n')).toBe("stateDiagram-v2")
  expect(kindOf("")).toBe("")
})
