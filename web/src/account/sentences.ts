import { catalogue } from "../i18n/catalogue.ts"

export const account = catalogue(
  {
    title: "Account",
    profile: { title: "Profile", name: "Name", email: "Email address", save: "Save", saved: "Your name was saved" },
    sessions: {
      title: "Sessions",
      text: "Where you are signed in. A session that you end is refused at once.",
      current: "This device",
      lastSeen: "Last seen",
      unknown: "Unknown device",
      end: "End",
      ended: "The session was ended",
      endAll: "Sign out everywhere",
    },
  },
  {
    title: "Konto",
    profile: {
      title: "Profil",
      name: "Name",
      email: "E-Mail-Adresse",
      save: "Speichern",
      saved: "Ihr Name wurde gespeichert",
    },
    sessions: {
      title: "Sitzungen",
      text: "Wo Sie angemeldet sind. Eine beendete Sitzung wird sofort abgewiesen.",
      current: "Dieses Gerät",
      lastSeen: "Zuletzt aktiv",
      unknown: "Unbekanntes Gerät",
      end: "Beenden",
      ended: "Die Sitzung wurde beendet",
      endAll: "Überall abmelden",
    },
  },
)
