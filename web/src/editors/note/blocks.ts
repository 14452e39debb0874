/** The preview's nodes, block by block: what did not change stays as it is, with its pictures and its scroll. */
import type { Block } from "./markdown.ts"
import { safeNodes } from "./render.ts"

type Shown = { block: Block; element: HTMLElement }

const MERMAID = "<div data-mermaid="

export class Blocks {
  private shown: Shown[] = []
  private readonly host: HTMLElement

  constructor(host: HTMLElement) {
    this.host = host
    host.replaceChildren()
  }

  update(blocks: Block[]): void {
    const before = this.shown
    const most = Math.min(before.length, blocks.length)
    let start = 0
    while (start < most && before[start]?.block.html === blocks[start]?.html) start += 1
    let end = 0
    while (end < most - start && before.at(-1 - end)?.block.html === blocks.at(-1 - end)?.html) end += 1
    const gone = before.slice(start, before.length - end)
    const made = blocks.slice(start, blocks.length - end).map((block, index) => this.make(block, gone[index]))
    const next = before[before.length - end]?.element ?? null
    const kept = new Set(made.map((each) => each.element))
    for (const { element } of gone) if (!kept.has(element)) element.remove()
    for (const { element } of made) this.host.insertBefore(element, next)
    const all = [...before.slice(0, start), ...made, ...before.slice(before.length - end)]
    this.shown = blocks.flatMap((block, index) => {
      const element = all[index]?.element
      return element ? [{ block, element }] : []
    })
  }

  /** Make again what depends on a part that was loaded meanwhile. */
  refresh(): void {
    for (const { block, element } of this.shown) {
      if (block.html.includes("data-language=")) element.replaceChildren(safeNodes(block.html))
    }
  }

  /** A diagram that is being typed keeps its element, and with it its last good picture. */
  private make(block: Block, before: Shown | undefined): Shown {
    const inPlace = before?.block.html.startsWith(MERMAID) && block.html.startsWith(MERMAID)
    const nodes = safeNodes(block.html)
    const old = before?.element.querySelector<HTMLElement>("[data-mermaid]")
    const fresh = nodes.querySelector<HTMLElement>("[data-mermaid]")
    if (inPlace && before && old && fresh) {
      old.dataset.mermaid = fresh.dataset.mermaid
      return { block, element: before.element }
    }
    const element = document.createElement("div")
    element.append(nodes)
    return { block, element }
  }

  /** The line (from 0) in which the block of *node* begins. */
  lineOf(node: Node): number | null {
    return this.shown.find(({ element }) => element.contains(node))?.block.line ?? null
  }

  elementAt(line: number): HTMLElement | null {
    return (
      this.shown.find(({ block }) => line >= block.line && line < Math.max(block.end, block.line + 1))?.element ?? null
    )
  }

  /** How far down (pixels) *line* is; lines between two blocks, and within one, in proportion. */
  offsetOf(line: number): number {
    const after = this.shown.findIndex(({ block }) => block.line > line)
    const index = (after < 0 ? this.shown.length : after) - 1
    const here = this.shown[index]
    if (!here) return 0
    const next = this.shown[index + 1]
    const top = here.element.offsetTop
    const bottom = next ? next.element.offsetTop : top + here.element.offsetHeight
    const lines = (next ? next.block.line : Math.max(here.block.end, here.block.line + 1)) - here.block.line
    return top + (bottom - top) * Math.min(1, (line - here.block.line) / Math.max(1, lines))
  }

  /** The line that is at *offset* pixels: the inverse of {@link offsetOf}. */
  lineAt(offset: number): number {
    const after = this.shown.findIndex(({ element }) => element.offsetTop > offset)
    const index = (after < 0 ? this.shown.length : after) - 1
    const here = this.shown[index]
    if (!here) return 0
    const next = this.shown[index + 1]
    const top = here.element.offsetTop
    const height = (next ? next.element.offsetTop : top + here.element.offsetHeight) - top
    const lines = (next ? next.block.line : here.block.end) - here.block.line
    return here.block.line + lines * Math.min(1, (offset - top) / Math.max(1, height))
  }
}
