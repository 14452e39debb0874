/** `![[diagram:ID]]` shows another diagram. */
import type { MarkdownIt } from "markdown-it"

const EMBED = /^!\[\[diagram:([0-9a-fA-F-]{1,64})\]\]/

export function diagramEmbeds(markdown: MarkdownIt): void {
  markdown.inline.ruler.before("image", "diagram_embed", (state, silent) => {
    const [whole, id] = EMBED.exec(state.src.slice(state.pos, state.pos + 90)) ?? []
    if (whole === undefined || id === undefined) return false
    if (!silent) state.push("diagram_embed", "", 0).content = id.toLowerCase()
    state.pos += whole.length
    return true
  })
  const { escapeHtml } = markdown.utils
  markdown.renderer.rules.diagram_embed = (tokens, index) =>
    `<span data-embed="${escapeHtml(tokens[index]?.content ?? "")}"></span>`
}
