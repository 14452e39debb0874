/** What the toolbar and its shortcuts do to the text. */
import { type ChangeSpec, EditorSelection, type EditorState } from "@codemirror/state"
import type { Command, EditorView } from "@codemirror/view"

/** Put *mark* around each selection, or take it away where it stands around it already. */
export function wrap(mark: string, placeholder: string): Command {
  return (view) => {
    const { state } = view
    const size = mark.length
    view.dispatch(
      state.changeByRange(({ from, to }) => {
        const around = state.sliceDoc(from - size, from) === mark && state.sliceDoc(to, to + size) === mark
        if (around) {
          const changes = [
            { from: from - size, to: from },
            { from: to, to: to + size },
          ]
          return { changes, range: EditorSelection.range(from - size, to - size) }
        }
        const text = state.sliceDoc(from, to) || placeholder
        const changes = { from, to, insert: `${mark}${text}${mark}` }
        return { changes, range: EditorSelection.range(from + size, from + size + text.length) }
      }),
      { userEvent: "input", scrollIntoView: true },
    )
    view.focus()
    return true
  }
}

export function link(placeholder: string): Command {
  return (view) => {
    view.dispatch(
      view.state.changeByRange(({ from, to }) => {
        const text = view.state.sliceDoc(from, to)
        const isAddress = /^https?:\/\/\S+$/.test(text)
        const shown = isAddress ? placeholder : text || placeholder
        const insert = `[${shown}](${isAddress ? text : "https://"})`
        const start = isAddress ? from + 1 : from + shown.length + 3
        return {
          changes: { from, to, insert },
          range: EditorSelection.range(start, isAddress ? start + shown.length : start + "https://".length),
        }
      }),
      { userEvent: "input", scrollIntoView: true },
    )
    view.focus()
    return true
  }
}

function selectedLines(state: EditorState): { from: number; text: string }[] {
  const { from, to } = state.selection.main
  const [first, last] = [state.doc.lineAt(from).number, state.doc.lineAt(to).number]
  return Array.from({ length: last - first + 1 }, (_, index) => state.doc.line(first + index))
}

const MARKS = /^(?:#{1,6}\s|>\s|[-*+]\s\[[ xX]\]\s|[-*+]\s|\d{1,9}[.)]\s)/

/** Begin each selected line with *prefix*, in the place of what begins it now; without it where all have it. */
export function prefix(of: (index: number) => string): Command {
  return (view) => {
    const lines = selectedLines(view.state)
    const all = lines.every(({ text }, index) => text.trimStart().startsWith(of(index)))
    const changes: ChangeSpec[] = lines.map(({ from, text }, index) => {
      const indent = /^\s*/.exec(text)?.[0].length ?? 0
      const old = MARKS.exec(text.slice(indent))?.[0] ?? ""
      return { from: from + indent, to: from + indent + old.length, insert: all ? "" : of(index) }
    })
    view.dispatch({ changes, userEvent: "input", scrollIntoView: true })
    view.focus()
    return true
  }
}

/** # becomes ##, up to ###, and then text again. */
export const heading: Command = (view) => {
  const line = view.state.doc.lineAt(view.state.selection.main.head)
  const now = /^(#{0,6})\s*/.exec(line.text)?.[0] ?? ""
  const level = now.trim().length
  const insert = level >= 3 ? "" : `${"#".repeat(level + 1)} `
  const within = Math.max(0, view.state.selection.main.head - line.from - now.length)
  view.dispatch({
    changes: { from: line.from, to: line.from + now.length, insert },
    selection: { anchor: line.from + insert.length + within },
    userEvent: "input",
  })
  view.focus()
  return true
}

/** Insert *text* as a block of its own below the line of the cursor, which goes to *offset* in it. */
export function insertBlock(view: EditorView, text: string, offset = text.length): void {
  const line = view.state.doc.lineAt(view.state.selection.main.head)
  const before = line.text.trim() ? "\n\n" : ""
  view.dispatch({
    changes: { from: line.to, insert: `${before}${text}` },
    selection: { anchor: line.to + before.length + offset },
    userEvent: "input",
    scrollIntoView: true,
  })
  view.focus()
}

export const code =
  (placeholder: string): Command =>
  (view) => {
    const { from, to } = view.state.selection.main
    if (!view.state.sliceDoc(from, to).includes("\n")) return wrap("`", placeholder)(view)
    const [start, end] = [view.state.doc.lineAt(from).from, view.state.doc.lineAt(to).to]
    view.dispatch({
      changes: [
        { from: start, insert: "```\n" },
        { from: end, insert: "\n```" },
      ],
      userEvent: "input",
    })
    view.focus()
    return true
  }
