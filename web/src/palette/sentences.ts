import { catalogue } from "../i18n/catalogue.ts"

export const palette = catalogue(
  {
    title: "Search and commands",
    placeholder: "Find a diagram, or type a command",
    nothing: "Nothing found",
    create: (kind: string) => `New: ${kind}`,
    go: {
      all: "Go to all diagrams",
      recent: "Go to recent",
      trash: "Go to the trash",
      account: "Go to account",
      status: "Go to system status",
    },
    theme: { light: "Light theme", dark: "Dark theme", system: "Theme of the system" },
    signOut: "Sign out",
  },
  {
    title: "Suche und Befehle",
    placeholder: "Diagramm suchen oder Befehl eingeben",
    nothing: "Nichts gefunden",
    create: (kind: string) => `Neu: ${kind}`,
    go: {
      all: "Zu allen Diagrammen",
      recent: "Zu zuletzt geöffneten",
      trash: "Zum Papierkorb",
      account: "Zum Konto",
      status: "Zum Systemzustand",
    },
    theme: { light: "Helle Farben", dark: "Dunkle Farben", system: "Farben wie das System" },
    signOut: "Abmelden",
  },
)
