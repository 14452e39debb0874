import type { EditorView } from "@codemirror/view"
import { type RefObject, useRef } from "react"
import type { PreviewHandle } from "./Preview.tsx"

type Pane = "editor" | "preview"

/** The text and its preview show the same place. The pane that a person is in leads, so that they do not chase each other. */
export function useScrollInStep(view: RefObject<EditorView | null>, preview: RefObject<PreviewHandle | null>) {
  const leading = useRef<Pane>("editor")
  const asked = useRef(0)

  const lead = (pane: Pane) => {
    leading.current = pane
  }

  const once = (how: () => void) => {
    cancelAnimationFrame(asked.current)
    asked.current = requestAnimationFrame(how)
  }

  function follow(now: EditorView) {
    const { scrollTop, scrollHeight, clientHeight } = now.scrollDOM
    const block = now.lineBlockAtHeight(scrollTop - now.documentPadding.top)
    const within = block.height ? (scrollTop - now.documentPadding.top - block.top) / block.height : 0
    const atEnd = scrollHeight - clientHeight - scrollTop < 2 && scrollTop > 0
    const line = now.state.doc.lineAt(block.from).number - 1 + Math.max(0, within)
    preview.current?.showLine(atEnd ? now.state.doc.lines : line)
  }

  function followPreview(now: EditorView) {
    const line = preview.current?.topLine() ?? 0
    const whole = Math.min(Math.floor(line), now.state.doc.lines - 1)
    const block = now.lineBlockAt(now.state.doc.line(whole + 1).from)
    now.scrollDOM.scrollTop = block.top + (line - whole) * block.height
  }

  return {
    attach(now: EditorView, editor: HTMLElement, shown: HTMLElement | null): () => void {
      const scrolled = () => leading.current === "editor" && once(() => follow(now))
      const ended = new AbortController()
      const options = { passive: true, signal: ended.signal }
      for (const kind of ["pointerenter", "pointerdown", "focusin", "wheel"]) {
        editor.addEventListener(kind, () => lead("editor"), options)
        shown?.addEventListener(kind, () => lead("preview"), options)
      }
      now.scrollDOM.addEventListener("scroll", scrolled, options)
      return () => ended.abort()
    },
    previewScrolled() {
      const now = view.current
      if (now && leading.current === "preview") once(() => followPreview(now))
    },
  }
}
