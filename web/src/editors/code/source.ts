/**
 * A diagram's source as it stands in a note: one fenced block of ```mermaid and nothing else. Such a note opens in the code
 * editor.
 */
const BLOCK = /^\s*(`{3,})mermaid[^\S\n]*\n([\s\S]*?)\n?\1`*\s*$/

/** The Mermaid source of *note*, or null if it is more than that, or something else. */
export function sourceIn(note: string): string | null {
  const [, fence = "", source] = BLOCK.exec(note.replace(/\r\n?/g, "\n")) ?? []
  if (source === undefined) return null
  const closes = new RegExp(`^ {0,3}\`{${fence.length},}\\s*$`, "m")
  return closes.test(source) ? null : source
}

/** The note of which {@link sourceIn} gives *source* back. */
export function noteOf(source: string): string {
  const longest = Math.max(2, ...[...source.matchAll(/`{3,}/g)].map(([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  return `${fence}mermaid\n${source}\n${fence}\n`
}
