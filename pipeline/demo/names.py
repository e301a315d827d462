"""Names for made-up people: common and rare Han names, and names written with the dot ·."""

from __future__ import annotations

from random import Random

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
    "苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段"
)
COMPOUND_SURNAMES = ("欧阳", "司马", "诸葛", "上官", "尉迟")
MALE = "伟强磊军洋勇杰涛明超刚平辉健俊鹏飞波斌宇浩凯建国志文德华永福庆林海峰东亮成龙"
FEMALE = "芳娜敏静丽艳娟霞秀英玲桂兰燕红梅琴云莲凤洁婷雪慧颖倩琳媛月香玉珍彩春菊萍"
RARE = ("祎", "翀", "燚", "犇", "赟", "喆", "堃", "昶", "䶮", "㛃", "𬭚", "𫖮", "𬱖", "𣗋")
"""生僻字; the last four lie outside the Basic Multilingual Plane."""

DOTTED = {
    False: ("买买提·吐尔逊", "艾力·阿不都", "木呷·阿普", "扎西·次仁", "沙马·拉且", "岩温·罕"),
    True: ("阿依古丽·买买提", "古丽娜尔·艾山", "阿呷·惹作", "卓玛·央金", "玉罕·囡"),
}


def surname(random: Random) -> str:
    """A surname; now and then of two characters."""
    return random.choice(COMPOUND_SURNAMES) if random.random() < 0.01 else random.choice(SURNAMES)


def given_name(random: Random, female: bool) -> str:
    """A given name of one or two characters; one in forty has a rare character."""
    characters = FEMALE if female else MALE
    name = random.choice(characters)
    if random.random() < 0.025:
        return name + random.choice(RARE)
    return name + random.choice(characters) if random.random() < 0.75 else name
