"""What a technician sees: the same session as every other output has, in a terminal.

    engine      runs the sources in a thread: pipeline, session, history; knows nothing of screens
    feeds       what a source is to the engine: batches of events
    fairlock    the lock between the engine, which writes, and the screens, which read
    app         the application: places, timer, palette, themes
    places      which screens there are, on which keys
    frame       what all screens have in common
    keys        every key: id, short name, help; the user's own key map
    themes, glyphs   colours, and signs for terminals with and without UTF-8
    words       rows and events in words
    screens/    one file a screen       widgets/    one file a widget       styles/    .tcss

Widgets hold no truth: they draw the session and the history. Only this folder imports textual, and ``engine``,
``feeds`` and ``words`` do without it.
"""
