"""Ordinary sentences, in pairs that mean nearly the same: the second says it in other words."""

PAIRS = (
    (
        "The train to the coast leaves at seven in the morning.",
        "At seven o'clock the morning train departs for the sea.",
    ),
    ("She bought a new bicycle for her daughter.", "Her daughter got a new bike from her."),
    ("The soup needs a little more salt.", "You should add some salt to the soup."),
    ("Heavy rain flooded several streets last night.", "Streets were under water after last night's storm."),
    ("He forgot his keys and had to wait outside.", "Without his keys he stood waiting before the door."),
    ("The company reported higher profits this year.", "This year the firm earned more money than before."),
    ("A doctor explained how the new medicine works.", "How the new drug acts was explained by a physician."),
    ("The cat sleeps on the warm stone in the garden.", "A cat is napping on a sunny rock in the yard."),
    ("Please send me the report before Friday.", "I need the report from you by the end of Thursday."),
    ("They moved into a small house near the river.", "Their new home is a little place close to the river."),
    ("The film was long but never boring.", "Although the movie took hours, it held my attention."),
    ("My phone stopped working after it fell into water.", "Since it got wet, my telephone is broken."),
    ("The museum opens its doors to children for free.", "Children pay nothing to enter the museum."),
    (
        "Scientists found water under the ice of the moon.",
        "Below the moon's ice, researchers discovered water.",
    ),
    ("The bakery on the corner sells excellent bread.", "You get very good bread at the corner bakery."),
    ("He has been learning Italian for two years.", "For two years now he has studied Italian."),
    (
        "The bridge will be closed for repairs until June.",
        "Because of repair work, nobody may cross the bridge before summer.",
    ),
    (
        "The goalkeeper saved a penalty in the last minute.",
        "In the final minute the keeper stopped a penalty kick.",
    ),
    (
        "Her grandmother tells stories about the old village.",
        "Grandma talks about how the village used to be.",
    ),
    (
        "The server refuses connections since the update.",
        "After the upgrade, nobody can connect to the server.",
    ),
    ("Wheat prices rose after the dry summer.", "The drought made wheat more expensive."),
    (
        "The orchestra plays a symphony by Brahms tonight.",
        "This evening one can hear Brahms performed by the orchestra.",
    ),
    ("Turn left at the church and walk up the hill.", "At the church go left, then climb the hill."),
    ("The judge gave him two years in prison.", "He was sentenced to two years in jail."),
)
SENTENCES = tuple(sentence for pair in PAIRS for sentence in pair)
