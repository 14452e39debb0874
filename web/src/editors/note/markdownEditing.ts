import { autocompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete"
import { markdownKeymap, markdownLanguage, pasteURLAsLink } from "@codemirror/lang-markdown"
import { type Extension, Prec } from "@codemirror/state"
import { EditorView, keymap, placeholder } from "@codemirror/view"
import { api } from "../../api/client.ts"
import { sentences } from "../../i18n/catalogue.ts"
import { code, heading, link, prefix, wrap } from "./commands.ts"
import { note } from "./sentences.ts"

/** After `![[`: diagrams by their title. */
async function embeds(context: CompletionContext): Promise<CompletionResult | null> {
  const typed = context.matchBefore(/!\[\[(?:diagram:)?[^\]\n]*/)
  if (!typed) return null
  const q = typed.text.replace(/^!\[\[(?:diagram:)?/, "").trim()
  const { data } = await api.GET("/api/diagrams", { params: { query: { limit: 20, ...(q ? { q } : {}) } } })
  const items = data?.items ?? []
  return {
    from: typed.from,
    filter: false,
    options: items.map(({ id, title, type }) => ({ label: title, detail: type, apply: `![[diagram:${id}]]` })),
  }
}

/** *onPicture* is called when somebody pastes or drops a picture, which a note cannot hold. */
export function markdownExtensions(onPicture: () => void): Extension {
  const said = sentences(note)
  const hasPicture = (data: DataTransfer | null) =>
    [...(data?.files ?? [])].some((file) => file.type.startsWith("image/")) && !data?.types.includes("text/plain")
  const refuse = (data: DataTransfer | null): boolean => {
    if (!hasPicture(data)) return false
    onPicture()
    return true
  }
  return [
    markdownLanguage,
    pasteURLAsLink,
    placeholder(said.placeholder),
    autocompletion({ override: [embeds], icons: false }),
    EditorView.contentAttributes.of({ spellcheck: "true", autocapitalize: "sentences" }),
    EditorView.domEventHandlers({
      paste: (event) => refuse(event.clipboardData),
      drop: (event) => refuse(event.dataTransfer),
    }),
    EditorView.theme({ ".cm-scroller": { fontFamily: "var(--font-code)" }, ".cm-content": { maxWidth: "92ch" } }),
    Prec.high(
      keymap.of([
        ...markdownKeymap,
        { key: "Mod-b", run: wrap("**", said.text) },
        { key: "Mod-i", run: wrap("*", said.text) },
        { key: "Mod-Shift-x", run: wrap("~~", said.text) },
        { key: "Mod-Shift-k", run: link(said.text) },
        { key: "Mod-e", run: code(said.code) },
        { key: "Mod-Shift-h", run: heading },
        { key: "Mod-Shift-8", run: prefix(() => "- ") },
        { key: "Mod-Shift-7", run: prefix((index) => `${index + 1}. `) },
        { key: "Mod-Shift-9", run: prefix(() => "- [ ] ") },
      ]),
    ),
  ]
}
