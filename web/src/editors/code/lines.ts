/** Where in the source Mermaid's error is: Mermaid counts in a text from which it took front matter, directives and comments. */
import { type Fault, fault, type Place } from "./protocol.ts"

// The same as in Mermaid's preprocess.ts, in the same order.
const REMOVED = [
  /^([^\S\n\r]*)-{3}\s*[\n\r](.*?)[\n\r]\1-{3}\s*[\n\r]+/s,
  /%{2}{\s*(?:(\w+)\s*:|(\w+))\s*(?:(\w+)|((?:(?!}%{2}).|\r?\n)*))?\s*(?:}%{2})?/gi,
  /^\s*%%(?!{)[^\n]+\n?/gm,
  /^\s+/,
]

/** A text, and for each of its characters the offset in the source. */
type Kept = { text: string; offsets: number[] }

function without({ text, offsets }: Kept, pattern: RegExp): Kept {
  const kept: Kept = { text: "", offsets: [] }
  let at = 0
  const keep = (to: number) => {
    kept.text += text.slice(at, to)
    kept.offsets.push(...offsets.slice(at, to))
  }
  for (const match of pattern.global ? text.matchAll(pattern) : [pattern.exec(text)]) {
    if (!match?.[0]) continue
    keep(match.index)
    at = match.index + match[0].length
  }
  keep(text.length)
  return kept
}

function preprocessed(source: string): Kept {
  const text = source.replace(/\r\n?/g, "\n")
  return REMOVED.reduce<Kept>(without, { text, offsets: Array.from(text, (_, offset) => offset) })
}

function offsetOf(text: string, line: number, column: number): number {
  let start = 0
  for (let passed = 1; passed < line; passed += 1) {
    const end = text.indexOf("\n", start)
    if (end < 0) return text.length
    start = end + 1
  }
  return Math.min(start + column, text.length)
}

/** The place of the character at *offset* of the source, as long as *length* but not beyond the end of its line. */
function placeAt(source: string, offset: number, length: number): Place {
  const before = source.slice(0, offset).split("\n")
  const column = before.at(-1)?.length ?? 0
  const lineEnd = source.indexOf("\n", offset)
  const left = (lineEnd < 0 ? source.length : lineEnd) - offset
  return { line: before.length, column, length: Math.max(1, Math.min(length, left)) }
}

/** The place in *source* of line *line* (from 1) and column (from 0) of what Mermaid read. */
export function placeInSource(source: string, line: number, column: number, length = 1): Place {
  const { text, offsets } = preprocessed(source)
  const normal = source.replace(/\r\n?/g, "\n")
  return placeAt(normal, offsets[offsetOf(text, line, column)] ?? normal.trimEnd().length, length)
}

/** Where the parser gave up: behind the token before (*line*, *column*), at the next occurrence of *found*. */
function placeBehind(source: string, line: number, column: number, found: string): Place {
  const { text, offsets } = preprocessed(source)
  const normal = source.replace(/\r\n?/g, "\n")
  const from = offsetOf(text, line, column)
  const visible = found.trim()
  const at = visible ? text.indexOf(visible, from) : from
  return placeAt(normal, offsets[at < 0 ? from : at] ?? normal.trimEnd().length, visible.length)
}

type Json = Record<string, unknown>
const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null
const record = (value: unknown): Json => (isRecord(value) ? value : {})
const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null)
const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === "string").map((each) => each.replace(/^'|'$/g, "")) : []

/** Of the parsers that jison makes: `hash` has the next token, and the place of the one before. */
function ofJison(source: string, message: string, hash: Json): Fault | null {
  const loc = record(hash.loc)
  const found = typeof hash.text === "string" ? hash.text : ""
  const line = number(loc.last_line)
  const lexed = number(hash.line)
  if (line !== null) {
    const place = placeBehind(source, line, number(loc.last_column) ?? 0, found)
    return fault("syntax", message, { place, found: found.trim(), expected: strings(hash.expected) })
  }
  return lexed === null ? null : fault("syntax", message, { place: placeInSource(source, lexed + 1, 0) })
}

/** Of the parsers that langium makes. Without a line, the text ended too early. */
function ofLangium(source: string, message: string, result: Json): Fault | null {
  const errors = [result.lexerErrors, result.parserErrors].flatMap((each): unknown[] =>
    Array.isArray(each) ? each : [],
  )
  const error = record(errors[0])
  if (errors.length === 0) return null
  const token = isRecord(error.token) ? error.token : error
  const line = number(token.startLine) ?? number(token.line)
  const column = number(token.startColumn) ?? number(token.column) ?? 1
  const found = typeof token.image === "string" ? token.image : ""
  const length = number(error.length) ?? found.length
  const end = placeAt(source, source.trimEnd().length, 1)
  const place = line === null ? end : placeInSource(source, line, Math.max(0, column - 1), length)
  return fault("syntax", typeof error.message === "string" ? error.message : message, { place, found })
}

export function faultOf(error: unknown, source: string): Fault {
  const thrown = record(error)
  const message = typeof thrown.message === "string" ? thrown.message : String(error)
  const inner = record(thrown.error) // mermaid.parse wraps what its parsers throw
  if (thrown.name === "UnknownDiagramError")
    return fault("unknown-type", message, { place: placeInSource(source, 1, 0) })
  if (/edge limit exceeded|maximum text size/i.test(message)) return fault("too-large", message)
  return (
    ofJison(source, message, record(thrown.hash ?? inner.hash)) ??
    ofLangium(source, message, record(thrown.result ?? inner.result)) ??
    fault("other", message, { place: lineInMessage(source, message) })
  )
}

function lineInMessage(source: string, message: string): Place | null {
  const line = /\bline:? (\d+)/i.exec(message)?.[1]
  return line === undefined ? null : placeInSource(source, Number(line), 0)
}
