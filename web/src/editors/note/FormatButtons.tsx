import type { Command, EditorView } from "@codemirror/view"
import { useSentences } from "../../i18n/catalogue.ts"
import { BarButton } from "../code/Bar.tsx"
import { code, heading, insertBlock, link, prefix, wrap } from "./commands.ts"
import { note } from "./sentences.ts"

const MERMAID = "```mermaid\nflowchart TD\n  A --> B\n```\n"
const EMBED = "![[diagram:"

function insert(view: EditorView, text: string): boolean {
  insertBlock(view, text)
  return true
}

/** Ctrl is ⌘ on a Mac, as everywhere. */
export function FormatButtons({ run }: { run: (command: Command) => void }) {
  const said = useSentences(note)
  const cell = `| ${said.column} | ${said.column} |\n| --- | --- |\n|  |  |\n`
  return (
    <>
      <BarButton icon="heading" label={said.heading} keys="Control+Shift+H" onClick={() => run(heading)} />
      <BarButton icon="bold" label={said.bold} keys="Control+B" onClick={() => run(wrap("**", said.text))} />
      <BarButton icon="italic" label={said.italic} keys="Control+I" onClick={() => run(wrap("*", said.text))} />
      <BarButton icon="strike" label={said.strike} keys="Control+Shift+X" onClick={() => run(wrap("~~", said.text))} />
      <BarButton icon="link" label={said.link} keys="Control+Shift+K" onClick={() => run(link(said.text))} />
      <BarButton icon="code" label={said.code} keys="Control+E" onClick={() => run(code(said.code))} />
      <BarButton icon="bullets" label={said.bullets} keys="Control+Shift+8" onClick={() => run(prefix(() => "- "))} />
      <BarButton
        icon="numbers"
        label={said.numbers}
        keys="Control+Shift+7"
        onClick={() => run(prefix((index) => `${index + 1}. `))}
      />
      <BarButton icon="tasks" label={said.tasks} keys="Control+Shift+9" onClick={() => run(prefix(() => "- [ ] "))} />
      <BarButton icon="quote" label={said.quote} onClick={() => run(prefix(() => "> "))} />
      <BarButton icon="table" label={said.table} onClick={() => run((view) => insert(view, cell))} />
      <BarButton icon="diagram" label={said.mermaid} onClick={() => run((view) => insert(view, MERMAID))} />
      <BarButton icon="embed" label={said.embed} onClick={() => run((view) => offer(view))} />
    </>
  )
}

function offer(view: EditorView): boolean {
  insertBlock(view, EMBED)
  // The list of diagrams that follows `![[`; loaded with the editor already.
  void import("@codemirror/autocomplete").then(({ startCompletion }) => startCompletion(view))
  return true
}
