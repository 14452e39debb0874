/** `$…$` within a line, `$$…$$` as a block of its own. KaTeX is loaded when the first formula occurs. */
import type { KatexOptions } from "katex"
import type { MarkdownIt } from "markdown-it"
import { onDemand } from "./onDemand.ts"

export const katex = onDemand(async () => (await import("katex")).default)

// MathML only: KaTeX's HTML lives by style attributes. Every browser shows MathML.
const OPTIONS: KatexOptions = { output: "mathml", throwOnError: true, trust: false, strict: "ignore", maxSize: 20 }
const MOST_CHARACTERS = 5_000

function render(markdown: MarkdownIt, source: string, displayMode: boolean): string {
  const { escapeHtml } = markdown.utils
  const plain = `<code>${escapeHtml(source)}</code>`
  const loaded = katex.get()
  if (!loaded || source.length > MOST_CHARACTERS) return plain
  try {
    const html = loaded.renderToString(source, { ...OPTIONS, displayMode })
    // The source that KaTeX adds for copying: DOMPurify would keep its text, and show it.
    return html.replace(/<annotation[^>]*>[^<]*<\/annotation>/g, "")
  } catch (error) {
    const why = escapeHtml(error instanceof Error ? error.message : "")
    return `<code class="wrong" title="${why}">${escapeHtml(source)}</code>`
  }
}

/** As in Pandoc: no space within the dollars, and no digit behind, so that prices stay prices. */
function inlineEnd(source: string, start: number, max: number): number {
  if (/\s|\$/.test(source[start + 1] ?? " ")) return -1
  for (let at = start + 1; at < max; at += 1) {
    if (source[at] === "\\") at += 1
    else if (source[at] === "$") return /\s/.test(source[at - 1] ?? " ") || /\d/.test(source[at + 1] ?? "") ? -1 : at
  }
  return -1
}

export function maths(markdown: MarkdownIt): void {
  markdown.inline.ruler.after("escape", "math", (state, silent) => {
    if (state.src[state.pos] !== "$") return false
    const end = inlineEnd(state.src, state.pos, state.posMax)
    if (end < 0) return false
    if (!silent) state.push("math", "math", 0).content = state.src.slice(state.pos + 1, end)
    state.pos = end + 1
    return true
  })
  markdown.block.ruler.before(
    "fence",
    "math_block",
    (state, startLine, endLine, silent) => {
      const lineText = (line: number) =>
        state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line])
      const first = lineText(startLine).trimEnd()
      if (!first.startsWith("$$") || (state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false
      let last = startLine
      const closed = (text: string, from: number) => text.trimEnd().endsWith("$$") && text.trimEnd().length >= from + 2
      if (!closed(first, 2)) {
        do last += 1
        while (last < endLine && !closed(lineText(last), 0))
        if (last >= endLine) return false
      }
      if (silent) return true
      const lines = Array.from({ length: last - startLine + 1 }, (_, index) => lineText(startLine + index))
      const token = state.push("math_block", "math", 0)
      token.content = lines
        .join("\n")
        .trim()
        .replace(/^\$\$|\$\$$/g, "")
        .trim()
      token.map = [startLine, last + 1]
      token.block = true
      state.line = last + 1
      return true
    },
    { alt: ["paragraph", "reference", "blockquote", "list"] },
  )
  const { rules } = markdown.renderer
  rules.math = (tokens, index) => render(markdown, tokens[index]?.content ?? "", false)
  rules.math_block = (tokens, index) =>
    `<div class="math">${render(markdown, tokens[index]?.content ?? "", true)}</div>`
}
