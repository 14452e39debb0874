import { catalogue } from "../i18n/catalogue.ts"

export const page = catalogue(
  {
    back: "All diagrams",
    title: "Title",
    loading: "Loading the diagram",
    readOnly: "View only",
    versions: "Versions",
    kinds: { canvas: "Canvas", code: "Code", mixed: "Canvas and note", note: "Note" },
    state: {
      clean: "Saved",
      dirty: "Saving…",
      saving: "Saving…",
      conflict: "Conflict",
      offline: "Not sent yet: kept on this device",
      refused: "Not saved",
    },
    missing: {
      title: "There is no such diagram",
      text: "It was deleted, or you may not see it.",
      drafts: "What you changed in it, and what did not reach the server, is still on this device.",
    },
    forbidden: { title: "You may not open this diagram", text: "Ask its owner for access." },
    failed: {
      title: "The diagram could not be loaded",
      text: "Check your connection. What you changed and was not sent yet is kept on this device.",
      again: "Try again",
    },
    why: {
      unreachable: "The server cannot be reached. Your changes are kept on this device and sent by themselves.",
      busy: "The server is busy. Your changes are kept on this device and sent by themselves.",
      "signed-out": "You are signed out. Your changes are kept on this device and sent when you are signed in again.",
      gone: "This diagram was deleted elsewhere. Your changes are still here.",
      in_trash: "This diagram is in the trash. Your changes are still here.",
      body_too_large:
        "This diagram is too large to be saved. Remove something large, such as an image. Your changes are still here.",
      forbidden: "You may not change this diagram any more. Your changes are still here.",
      other: (title: string) => `The server did not take the change: ${title}. Your changes are still here.`,
    },
    notKept:
      "This device cannot keep what is not saved: its storage is full or closed. Keep this page open until it says Saved.",
    again: "Try again",
    saveAsNew: "Save as a new diagram",
    restoreFromTrash: "Restore it and save",
    download: "Download",
    dismiss: "Dismiss",
    recovered: (when: string) => `Changes of ${when} that had not reached the server are back.`,
    merged: "Somebody else changed this diagram meanwhile. Both changes are in it now.",
    overlaps: (count: number) =>
      count === 1 ? "One element was changed by both of you." : `${count} elements were changed by both of you.`,
    review: "Look at them",
    asides: (count: number) =>
      count === 1
        ? "What you had before a merge is kept on this device."
        : `What you had before ${count} merges is kept on this device.`,
    discard: "Discard",
    conflict: {
      title: "Both of you changed the same lines",
      text: "Nothing is sent until you decide. Left is what was saved meanwhile; right is yours: edit it until it is what you want to keep.",
      theirs: "Saved meanwhile",
      mine: "Yours, to be kept",
      keep: "Keep the right side",
      takeTheirs: "Take theirs",
      later: "Decide later",
      decide: "Decide now",
    },
    overlap: {
      title: "Changed by both of you",
      text: "For each, choose which one stays. The drawing has what is chosen here.",
      mine: "Yours",
      theirs: "Theirs",
      removed: "Removed",
      done: "Done",
    },
  },
  {
    back: "Alle Diagramme",
    title: "Titel",
    loading: "Das Diagramm wird geladen",
    readOnly: "Nur ansehen",
    versions: "Versionen",
    kinds: { canvas: "Zeichnung", code: "Code", mixed: "Zeichnung und Notiz", note: "Notiz" },
    state: {
      clean: "Gespeichert",
      dirty: "Wird gespeichert …",
      saving: "Wird gespeichert …",
      conflict: "Konflikt",
      offline: "Noch nicht gesendet: auf diesem Gerät aufbewahrt",
      refused: "Nicht gespeichert",
    },
    missing: {
      title: "Dieses Diagramm gibt es nicht",
      text: "Es wurde gelöscht, oder Sie dürfen es nicht sehen.",
      drafts: "Was Sie darin geändert haben und nicht zum Server gelangt ist, ist noch auf diesem Gerät.",
    },
    forbidden: { title: "Sie dürfen dieses Diagramm nicht öffnen", text: "Bitten Sie den Eigentümer um Zugriff." },
    failed: {
      title: "Das Diagramm ließ sich nicht laden",
      text: "Prüfen Sie Ihre Verbindung. Was Sie geändert haben und noch nicht gesendet ist, bleibt auf diesem Gerät.",
      again: "Noch einmal versuchen",
    },
    why: {
      unreachable:
        "Der Server ist nicht erreichbar. Ihre Änderungen bleiben auf diesem Gerät und werden von selbst gesendet.",
      busy: "Der Server ist ausgelastet. Ihre Änderungen bleiben auf diesem Gerät und werden von selbst gesendet.",
      "signed-out":
        "Sie sind abgemeldet. Ihre Änderungen bleiben auf diesem Gerät und werden gesendet, sobald Sie wieder angemeldet sind.",
      gone: "Dieses Diagramm wurde anderswo gelöscht. Ihre Änderungen sind noch hier.",
      in_trash: "Dieses Diagramm liegt im Papierkorb. Ihre Änderungen sind noch hier.",
      body_too_large:
        "Dieses Diagramm ist zu groß zum Speichern. Entfernen Sie etwas Großes, etwa ein Bild. Ihre Änderungen sind noch hier.",
      forbidden: "Sie dürfen dieses Diagramm nicht mehr ändern. Ihre Änderungen sind noch hier.",
      other: (title: string) =>
        `Der Server hat die Änderung nicht angenommen: ${title}. Ihre Änderungen sind noch hier.`,
    },
    notKept:
      "Dieses Gerät kann Ungespeichertes nicht aufbewahren: Sein Speicher ist voll oder gesperrt. Lassen Sie die Seite offen, bis sie „Gespeichert“ zeigt.",
    again: "Noch einmal versuchen",
    saveAsNew: "Als neues Diagramm speichern",
    restoreFromTrash: "Wiederherstellen und speichern",
    download: "Herunterladen",
    dismiss: "Schließen",
    recovered: (when: string) => `Änderungen von ${when}, die nicht zum Server gelangt waren, sind wieder da.`,
    merged: "Inzwischen hat jemand anderes dieses Diagramm geändert. Beide Änderungen sind jetzt darin.",
    overlaps: (count: number) =>
      count === 1 ? "Ein Element haben Sie beide geändert." : `${count} Elemente haben Sie beide geändert.`,
    review: "Ansehen",
    asides: (count: number) =>
      count === 1
        ? "Ihr Stand vor einer Zusammenführung ist auf diesem Gerät aufbewahrt."
        : `Ihre Stände vor ${count} Zusammenführungen sind auf diesem Gerät aufbewahrt.`,
    discard: "Verwerfen",
    conflict: {
      title: "Sie haben beide dieselben Zeilen geändert",
      text: "Bis Sie entscheiden, wird nichts gesendet. Links steht, was inzwischen gespeichert wurde; rechts steht Ihr Text: Bearbeiten Sie ihn, bis er so ist, wie er bleiben soll.",
      theirs: "Inzwischen gespeichert",
      mine: "Ihr Text, der bleibt",
      keep: "Rechte Seite behalten",
      takeTheirs: "Den anderen übernehmen",
      later: "Später entscheiden",
      decide: "Jetzt entscheiden",
    },
    overlap: {
      title: "Von Ihnen beiden geändert",
      text: "Wählen Sie für jedes, welches bleibt. Die Zeichnung enthält, was hier gewählt ist.",
      mine: "Ihres",
      theirs: "Das andere",
      removed: "Entfernt",
      done: "Fertig",
    },
  },
)
