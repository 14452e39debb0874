import type { Language } from "../../i18n/language.ts"

const GERMAN: Record<string, string> = {
  Find: "Suchen",
  Replace: "Ersetzen",
  next: "weiter",
  previous: "zurück",
  all: "alle",
  "match case": "Groß/klein",
  regexp: "RegExp",
  "by word": "ganze Wörter",
  replace: "ersetzen",
  "replace all": "alle ersetzen",
  close: "Schließen",
  "current match": "aktueller Treffer",
  "replaced $ matches": "$ Treffer ersetzt",
  "replaced match on line $": "Treffer in Zeile $ ersetzt",
  "on line": "in Zeile",
  "Go to line": "Gehe zu Zeile",
  go: "los",
  Completions: "Vorschläge",
  Diagnostics: "Fehler",
  "No diagnostics": "Keine Fehler",
  "Selection deleted": "Auswahl gelöscht",
  "Control character": "Steuerzeichen",
  "$ unchanged lines": "$ unveränderte Zeilen",
  "Original lines": "Ursprüngliche Zeilen",
}

/** CodeMirror's own sentences, which are English. */
export const phrases = (language: Language): Record<string, string> => (language === "de" ? GERMAN : {})
