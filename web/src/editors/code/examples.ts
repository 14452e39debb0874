/** What a new diagram can start from. The names are in the catalogue. */
export const EXAMPLES = {
  flow: `flowchart TD
  start([Start]) --> check{Is it right?}
  check -- yes --> done([Done])
  check -- no --> fix[Change it]
  fix --> check
`,
  sequence: `sequenceDiagram
  actor Person
  participant Page
  participant Server
  Person->>Page: Save
  Page->>Server: PATCH /diagrams/42
  Server-->>Page: 200 OK
  Page-->>Person: Saved
`,
  class: `classDiagram
  class Shape {
    +String colour
    +area() float
  }
  class Circle {
    +float radius
  }
  Shape <|-- Circle
`,
  state: `stateDiagram-v2
  [*] --> Draft
  Draft --> Review: submit
  Review --> Draft: change
  Review --> Published: accept
  Published --> [*]
`,
  entity: `erDiagram
  CUSTOMER ||--o{ ORDER : places
  ORDER ||--|{ LINE : contains
  CUSTOMER {
    int id PK
    string name
  }
  ORDER {
    int id PK
    date placed
  }
`,
  gantt: `gantt
  title Release
  dateFormat YYYY-MM-DD
  section Design
    Sketch :sketch, 2026-01-05, 5d
    Review :review, after sketch, 2d
  section Build
    First version :build, after review, 10d
`,
  mindmap: `mindmap
  root((Idea))
    Why
      Purpose
      Readers
    How
      Steps
      Tools
`,
  git: `gitGraph
  commit
  branch feature
  commit
  commit
  checkout main
  merge feature
  commit tag: "1.0"
`,
}

export type Example = keyof typeof EXAMPLES
