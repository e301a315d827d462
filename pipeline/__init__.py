"""HEDX: the household economic data exchange (居民家庭经济状况信息部省联网查询)."""
