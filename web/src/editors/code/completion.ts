import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  type CompletionSource,
  snippetCompletion,
} from "@codemirror/autocomplete"
import { KINDS, kindOf, wordsOf } from "./kinds.ts"

const MOST_SCANNED = 50_000

/** What spans lines, by kind of diagram: `#{name}` is a field that Tab moves to. */
const BLOCKS: [RegExp, string, string][] = [
  [/^(flowchart|graph)$/, "subgraph", "subgraph #{name}\n  #{}\nend"],
  [/^sequenceDiagram$/, "alt", "alt #{condition}\n  #{}\nelse #{otherwise}\n  #{}\nend"],
  [/^sequenceDiagram$/, "loop", "loop #{until}\n  #{}\nend"],
  [/^sequenceDiagram$/, "opt", "opt #{condition}\n  #{}\nend"],
  [/^sequenceDiagram$/, "par", "par #{one}\n  #{}\nand #{other}\n  #{}\nend"],
  [/^classDiagram/, "class", "class #{Name} {\n  +#{String} #{field}\n  +#{method}()\n}"],
  [/^stateDiagram/, "state", "state #{Name} {\n  [*] --> #{first}\n}"],
  [/^erDiagram$/, "entity", "#{ENTITY} {\n  int #{id} PK\n}"],
  [/^gantt$/, "section", "section #{name}\n  #{task} :#{id}, #{2026-01-01}, #{5d}"],
]

const blocksOf = (kind: string): Completion[] =>
  BLOCKS.filter(([kinds]) => kinds.test(kind)).map(([, label, template]) =>
    snippetCompletion(template, { label, detail: "…", boost: 2 }),
  )

/** The names that stand in *source*, but not the one at *from*, which is being typed. */
export function namesIn(source: string, from: number, words: string[]): string[] {
  const known = new Set([...words, ...KINDS])
  const names = new Set<string>()
  for (const { 0: name, index } of source.slice(0, MOST_SCANNED).matchAll(/[\p{L}_][\p{L}\p{N}_]+/gu)) {
    if (index !== from && !known.has(name)) names.add(name)
  }
  return [...names]
}

export const complete: CompletionSource = (context: CompletionContext): CompletionResult | null => {
  const word = context.matchBefore(/[\p{L}_][\p{L}\p{N}_-]*/u)
  if (!word && !context.explicit) return null
  const from = word?.from ?? context.pos
  const source = context.state.doc.toString()
  const before = source.slice(0, from)
  const validFor = /^[\p{L}\p{N}_-]*$/u
  if (!kindOf(before)) return { from, validFor, options: KINDS.map((label) => ({ label, type: "type" })) }
  const kind = kindOf(source)
  const words = wordsOf(kind)
  const blocks = blocksOf(kind)
  const options = [
    ...blocks,
    ...words.filter((word) => !blocks.some(({ label }) => label === word)).map((label) => ({ label, type: "keyword" })),
    ...namesIn(source, from, words).map((label) => ({ label, type: "variable", boost: 1 })),
  ]
  return { from, validFor, options }
}
