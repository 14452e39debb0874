/** The theme of the page: a person's choice, else the system's, which the style sheet follows by itself. */
export const THEMES = ["system", "light", "dark"] as const
export type Theme = (typeof THEMES)[number]

const CHOICE = "autograph.theme"
const listeners = new Set<() => void>()

function read(): Theme {
  const kept = localStorage.getItem(CHOICE)
  return THEMES.find((each) => each === kept) ?? "system"
}

function apply(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}

let current = read()

export const theme = {
  get: (): Theme => current,
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  /** At the start of the page, before anything is shown. */
  begin(): void {
    apply(current)
  },
  choose(next: Theme): void {
    localStorage.setItem(CHOICE, next)
    current = next
    apply(next)
    for (const listener of listeners) listener()
  },
}
