/**
 * Markdown as GitHub writes it (tables, strikethrough, autolinks, task lists, footnotes), and maths, Mermaid, embeds. HTML in
 * a note is text. What comes out still goes through DOMPurify (render.ts).
 */
import MarkdownIt, { type Token } from "markdown-it"
import footnote from "markdown-it-footnote"
import { diagramEmbeds } from "./embeds.ts"
import { maths } from "./maths.ts"
import { taskLists } from "./tasks.ts"

export const markdown = new MarkdownIt({ html: false, linkify: true })
markdown.linkify.set({ fuzzyLink: false })
markdown.use(footnote).use(taskLists).use(maths).use(diagramEmbeds)

const { rules } = markdown.renderer
const { escapeHtml } = markdown.utils

// With `align`, since style attributes are taken out.
for (const cell of ["th_open", "td_open"]) {
  rules[cell] = (tokens, index, options, _, self) => {
    const align = /text-align:(\w+)/.exec(String(tokens[index]?.attrGet("style") ?? ""))?.[1]
    const token = tokens[index]
    if (token) token.attrs = align ? [["align", align]] : []
    return self.renderToken(tokens, index, options)
  }
}

// A wide table scrolls by itself.
rules.table_open = () => '<div class="table"><table>'
rules.table_close = () => "</table></div>"

rules.fence = (tokens, index) => {
  const token = tokens[index]
  const language = /^[^\s{]*/.exec(token?.info.trim() ?? "")?.[0] ?? ""
  const text = escapeHtml(token?.content ?? "")
  // Encoded: DOMPurify takes out attributes that hold an arrow, since `-->` ends a comment.
  if (language === "mermaid") return `<div data-mermaid="${encodeURIComponent(token?.content ?? "")}"></div>`
  const name = escapeHtml(language)
  return `<pre${name ? ` data-language="${name}"` : ""}><code>${text}</code></pre>`
}

/** Of other hosts nothing is fetched: who reads a note tells nobody that they do. A picture becomes a link to it. */
rules.image = (tokens, index) => {
  const token = tokens[index]
  const address = String(token?.attrGet("src") ?? "")
  const text = escapeHtml(token?.content ?? "")
  if (/^data:image\/(png|jpeg|gif|webp);/i.test(address)) return `<img src="${escapeHtml(address)}" alt="${text}">`
  return `<a data-picture="" href="${escapeHtml(address)}">${text || escapeHtml(address)}</a>`
}

export type Block = { html: string; line: number; end: number }
export type Heading = { level: number; text: string; line: number }
export type Parsed = { blocks: Block[]; headings: Heading[] }

function textOf(token: Token | undefined): string {
  return (token?.children ?? [])
    .map((child) => (child.type === "text" || child.type === "code_inline" ? child.content : ""))
    .join("")
    .trim()
}

/**
 * The blocks at the top, each with the lines where it stands (from 0, the end beyond it). What a block's HTML says of lines
 * counts from the block's first, so that a block that only moved is the same.
 */
export function parse(text: string): Parsed {
  const env = {}
  const tokens = markdown.parse(text, env)
  const blocks: Block[] = []
  const headings: Heading[] = []
  let start = 0
  let depth = 0
  tokens.forEach((token, index) => {
    depth += token.nesting
    if (token.type === "heading_open") {
      headings.push({ level: Number(token.tag.slice(1)), text: textOf(tokens[index + 1]), line: token.map?.[0] ?? 0 })
    }
    if (depth > 0) return
    const own = tokens.slice(start, index + 1)
    const previous = blocks.at(-1)?.end ?? 0
    const [line, end] = own[0]?.map ?? [previous, previous]
    for (const each of own) if (typeof each.meta?.task === "number") each.meta.task -= line
    blocks.push({ html: markdown.renderer.render(own, markdown.options, env), line, end })
    start = index + 1
  })
  return { blocks, headings }
}
