import { catalogue } from "../../i18n/catalogue.ts"

export const canvas = catalogue(
  {
    empty: "Pick a tool and draw. It is saved by itself.",
    damaged: {
      title: "This drawing cannot be shown in full",
      text: "Part of its content is damaged or made by a newer editor. It is not opened for editing, so that nothing of it is lost. An earlier version may be whole.",
      detail: "What is wrong",
      download: "Download the raw content",
    },
  },
  {
    empty: "Werkzeug wählen und zeichnen. Gespeichert wird von selbst.",
    damaged: {
      title: "Diese Zeichnung lässt sich nicht vollständig zeigen",
      text: "Ein Teil des Inhalts ist beschädigt oder stammt aus einem neueren Editor. Sie wird nicht zum Bearbeiten geöffnet, damit nichts davon verloren geht. Eine frühere Version ist vielleicht unversehrt.",
      detail: "Was nicht stimmt",
      download: "Rohen Inhalt herunterladen",
    },
  },
)
