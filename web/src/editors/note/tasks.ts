/** Task lists: `- [ ] text`. Each box knows its line, so that a click can tick it in the source. */
import type { MarkdownIt } from "markdown-it"

const BOX = /^\[([ xX])\]\s+/
const BOX_IN_LINE = /^((?:\s|>)*(?:[-*+]|\d{1,9}[.)])\s+\[)([ xX])(\])/

export function taskLists(markdown: MarkdownIt): void {
  markdown.core.ruler.after("inline", "task_lists", (state) => {
    state.tokens.forEach((token, index) => {
      const item = state.tokens[index - 2]
      const [box, mark] = BOX.exec(token.content) ?? []
      if (token.type !== "inline" || item?.type !== "list_item_open" || box === undefined || !token.map) return
      const first = token.children?.[0]
      if (first?.type !== "text") return
      first.content = first.content.replace(BOX, "")
      item.attrJoin("class", "task")
      const made = new state.Token("task_box", "input", 0)
      made.meta = { task: token.map[0], done: mark !== " ", label: token.content.replace(BOX, "") }
      token.children?.unshift(made)
      // The lines of inline children are counted from their block, which only knows its own tokens.
      token.meta = made.meta
    })
  })
  const { escapeHtml } = markdown.utils
  markdown.renderer.rules.task_box = (tokens, index) => {
    const { task, done, label } = tokens[index]?.meta ?? {}
    const name = escapeHtml(String(label ?? ""))
    return `<input type="checkbox" data-task="${Number(task)}"${done ? " checked" : ""} aria-label="${name}"> `
  }
}

/** The change that ticks, or clears, the box in *line*; null if there is none. Offsets count from the line's start. */
export function toggle(line: string): { at: number; insert: string } | null {
  const [, before, mark] = BOX_IN_LINE.exec(line) ?? []
  if (before === undefined) return null
  return { at: before.length, insert: mark === " " ? "x" : " " }
}
