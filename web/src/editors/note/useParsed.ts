import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react"
import { type Parsed, parse } from "./markdown.ts"
import { katex } from "./maths.ts"

/** Milliseconds after the last key: typing is never held up by its own preview. */
const QUIET = 60

export type ParsedNote = Parsed & { text: string }

/** The note that `edited` was last called with, parsed when typing pauses, and again when KaTeX has come. */
export function useParsed(initial: string): [ParsedNote, (text: () => string) => void] {
  const [parsed, setParsed] = useState<ParsedNote>(() => ({ ...parse(initial), text: initial }))
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const newest = useRef(() => initial)

  const again = useCallback(() => {
    const text = newest.current()
    setParsed({ ...parse(text), text })
  }, [])
  // Not by subscribing in an effect: KaTeX may have come between the first parse and the effect.
  const formulas = useSyncExternalStore(katex.subscribe, katex.peek)
  useEffect(() => {
    if (formulas) again()
  }, [formulas, again])
  useEffect(() => () => clearTimeout(timer.current), [])

  const edited = useCallback(
    (text: () => string) => {
      newest.current = text
      clearTimeout(timer.current)
      timer.current = setTimeout(again, QUIET)
    },
    [again],
  )
  return [parsed, edited]
}

/** Words as people count them: of letters and digits, joined by apostrophes and hyphens; not the marks of Markdown. */
export function countWords(text: string): number {
  return text.match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu)?.length ?? 0
}
