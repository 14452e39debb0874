// @vitest-environment happy-dom
import { EditorState } from "@codemirror/state"
import { type Command, EditorView } from "@codemirror/view"
import { expect, test } from "vitest"
import { code, heading, insertBlock, link, prefix, wrap } from "./commands.ts"

/** What *command* makes of a text, whose selection stands between ‹ and ›; the same of the result. */
function after(command: Command, marked: string): string {
  const [from, to] = [marked.indexOf("‹"), marked.indexOf("›") - 1]
  const state = EditorState.create({ doc: marked.replace(/[‹›]/g, ""), selection: { anchor: from, head: to } })
  const view = new EditorView({ state })
  command(view)
  const { main } = view.state.selection
  const text = view.state.doc.toString()
  return `${text.slice(0, main.from)}‹${text.slice(main.from, main.to)}›${text.slice(main.to)}`
}

test.each([
  ["bold", wrap("**", "text"), "a ‹b› c", "a **‹b›** c"],
  ["bold again takes it away", wrap("**", "text"), "a **‹b›** c", "a ‹b› c"],
  ["bold of nothing", wrap("**", "text"), "a ‹›", "a **‹text›**"],
  ["a link from a word", link("text"), "see ‹here›", "see [here](‹https://›)"],
  ["a link from an address", link("text"), "‹https://example.org›", "[‹text›](https://example.org)"],
  ["a heading", heading, "‹›one", "# ‹›one"],
  ["code in a line", code("code"), "‹x›", "`‹x›`"],
])("the toolbar makes %s", (_, command, before, expected) => expect(after(command, before)).toBe(expected))

test("a list begins each line, takes the place of other marks, and goes again", () => {
  const bullets = prefix(() => "- ")
  const numbers = prefix((index) => `${index + 1}. `)
  const plain = (text: string) => text.replace(/[‹›]/g, "")
  expect(plain(after(bullets, "‹one\n  two›"))).toBe("- one\n  - two")
  expect(plain(after(numbers, "‹- one\n- two›"))).toBe("1. one\n2. two")
  expect(plain(after(bullets, "‹- one\n- two›"))).toBe("one\ntwo")
})

test("lines of code become a block", () => {
  expect(after(code("code"), "‹a\nb›").replace(/[‹›]/g, "")).toBe("```\na\nb\n```")
})

test("a block is inserted below the line of the cursor", () => {
  const insert: Command = (view) => {
    insertBlock(view, "| a |")
    return true
  }
  expect(after(insert, "o‹›ne\n\ntwo")).toBe("one\n\n| a |‹›\n\ntwo")
})
