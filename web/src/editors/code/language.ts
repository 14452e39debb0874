/** Colours for all kinds of Mermaid diagrams by their words and marks. A line stands for itself, as it does in Mermaid. */
import { StreamLanguage, type StringStream } from "@codemirror/language"
import { wordsOf } from "./kinds.ts"

type State = { kind: string; words: Set<string>; inside: "front matter" | "directive" | null; begun: boolean }

/** Kinds in which what follows a colon is text. */
const TEXT_AFTER_COLON = /^(sequenceDiagram|stateDiagram|classDiagram|erDiagram|timeline)/
/** Kinds in which brackets hold the text of a node. */
const TEXT_IN_BRACKETS = /^(flowchart|graph|mindmap|block-beta|kanban|architecture-beta)/

function within(stream: StringStream, state: State): string {
  if (state.inside === "directive") {
    if (stream.skipTo("}%%") && stream.match("}%%")) state.inside = null
    else stream.skipToEnd()
  } else {
    if (stream.sol() && stream.match(/^\s*---\s*$/, false)) state.inside = null
    stream.skipToEnd()
  }
  return "meta"
}

function opening(stream: StringStream, state: State): string | null {
  if (stream.match("%%{")) {
    state.inside = "directive"
    return within(stream, state)
  }
  if (stream.match("%%")) {
    stream.skipToEnd()
    return "comment"
  }
  if (!state.begun && stream.sol() && stream.match(/^---\s*$/)) {
    state.inside = "front matter"
    return "meta"
  }
  return null
}

function begin(state: State, word: string): string {
  state.begun = true
  state.kind = word
  state.words = new Set(wordsOf(word))
  return "typeName"
}

function textIn(stream: StringStream, { begun, kind }: State): boolean {
  if (stream.match(/^"[^"]*"?/)) return true
  if (begun && TEXT_AFTER_COLON.test(kind) && stream.match(/^:(?!:)\s*/)) {
    stream.skipToEnd()
    return true
  }
  return TEXT_IN_BRACKETS.test(kind) && Boolean(stream.match(/^[[({>]+[^[\](){}"\n]*[\])}]+/))
}

function wordIn(stream: StringStream, state: State): string | null {
  const word = stream.match(/^[\p{L}_][\p{L}\p{N}_]*(?:-[\p{L}\p{N}]+)*/u)
  if (!word || word === true) return null
  if (!state.begun) return begin(state, word[0])
  return state.words.has(word[0]) ? "keyword" : "variableName"
}

function token(stream: StringStream, state: State): string | null {
  if (state.inside) return within(stream, state)
  if (stream.eatSpace()) return null
  const opened = opening(stream, state)
  if (opened) return opened
  if (textIn(stream, state)) return "string"
  if (stream.match(/^[ox<*|}]*(?:--|==|-[.>x)]|\.\.|~~)[-=.~>|ox*{)]*|^[<>|&]+|^:::/)) return "operator"
  if (stream.match(/^#?\d[\w.-]*/)) return "number"
  const word = wordIn(stream, state)
  if (!word) stream.next()
  return word
}

export const mermaidLanguage = StreamLanguage.define<State>({
  name: "mermaid",
  startState: () => ({ kind: "", words: new Set(), inside: null, begun: false }),
  copyState: (state) => ({ ...state }),
  token,
  languageData: { commentTokens: { line: "%%" }, closeBrackets: { brackets: ["(", "[", "{", '"'] } },
})
